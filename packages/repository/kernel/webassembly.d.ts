// The part of the WebAssembly interface that the kernel uses: neither TypeScript's `esnext` library nor Node's types declare it.

declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
  }
  const Module: new (bytes: Uint8Array) => object;
  class Instance {
    constructor(module: object, imports: Record<string, Record<string, Memory>>);
    readonly exports: Record<string, unknown>;
  }
}
