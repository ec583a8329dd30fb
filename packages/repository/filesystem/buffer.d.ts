// Methods of Node's Buffer that exist on every release but are missing from the published types: faster than `toString`.

interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, lengthBytes?: number): number;
  hexWrite(text: string, offset?: number, lengthBytes?: number): number;
}
