// The table of all blobs: which pack holds a blob, where, and whether a blob is known at all; shared by threads.

/** 32-bit words of an entry: the hash (8), pack and type, offset, sealed length, plain length, next in chain. */
const wordsPerEntry = 13;
const packWord = 8;
const offsetWord = 9;
const lengthWord = 10;
const plainLengthWord = 11;
const nextWord = 12;
const treeBit = 0x8000_0000;
const pendingPack = 0x7fff_ffff;
const abandonedPack = 0x7fff_fffe;
/** Entries come in segments, so that typed arrays over the growing buffer keep their fixed length. */
const segmentBits = 15;
const segmentEntries = 1 << segmentBits;
const segmentBytes = segmentEntries * wordsPerEntry * 4;
const maximumSegments = 2048;
const minimumBuckets = 1 << 17;

export type BlobType = "data" | "tree";

/** Where a blob lies. `plainLength` is 0 for a blob stored without compression. */
export interface BlobLocation {
  readonly pack: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly plainLength: number;
}

/** What another thread needs to work on the same table. */
export interface SharedBlobIndex {
  readonly entries: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
  readonly counter: SharedArrayBuffer;
}

/**
 * A hash table with chains over shared memory: 52 bytes an entry and at least four for its bucket. Any thread
 * may look up and claim; only the thread that made the table knows the names of packs and sets locations.
 * Lookups need no lock: an entry is complete before a compare-and-swap links it into its chain.
 */
export class BlobIndex {
  readonly shared: SharedBlobIndex;
  readonly #buckets: Int32Array;
  readonly #counter: Int32Array;
  readonly #segments: Uint32Array[] = [];
  readonly #packs: string[] = [];
  readonly #packNumbers = new Map<string, number>();

  private constructor(shared: SharedBlobIndex) {
    this.shared = shared;
    this.#buckets = new Int32Array(shared.buckets);
    this.#counter = new Int32Array(shared.counter);
  }

  /** An empty table whose chains stay short up to some times `expectedBlobs`; it grows beyond without limit. */
  static create(expectedBlobs: number): BlobIndex {
    let buckets = minimumBuckets;
    while (buckets < expectedBlobs) buckets *= 2;
    return new BlobIndex({
      entries: new SharedArrayBuffer(0, { maxByteLength: segmentBytes * maximumSegments }),
      buckets: new SharedArrayBuffer(buckets * 4),
      counter: new SharedArrayBuffer(4),
    });
  }

  static attach(shared: SharedBlobIndex): BlobIndex {
    return new BlobIndex(shared);
  }

  /** Entries ever added, abandoned ones included. */
  get size(): number {
    return Atomics.load(this.#counter, 0);
  }

  /** Bytes that the table takes in memory. */
  get sizeBytes(): number {
    return this.shared.entries.byteLength + this.shared.buckets.byteLength;
  }

  /** True when the blob is stored or claimed. `id` is 32 bytes. */
  has(id: Buffer, type: BlobType): boolean {
    return this.#find(id, type, this.#head(id), 0) !== 0;
  }

  /**
   * Claims a blob for the caller, who must then store it (`place`): the number of the new entry, or -1 when
   * the blob is known already or another thread was first.
   */
  claim(id: Buffer, type: BlobType): number {
    const bucket = this.#bucket(id);
    let seen = 0;
    let entry = -1;
    for (;;) {
      const head = Atomics.load(this.#buckets, bucket);
      if (this.#find(id, type, head, seen) !== 0) {
        if (entry >= 0) this.#setPack(entry, type, abandonedPack);
        return -1;
      }
      if (entry < 0) {
        entry = this.#allocate(id);
        this.#setPack(entry, type, pendingPack);
      }
      this.#setNext(entry, head);
      if (Atomics.compareExchange(this.#buckets, bucket, head, entry + 1) === head) return entry;
      seen = head;
    }
  }

  /** Adds a stored blob; the same blob in the same place twice is one entry. Only before threads share the table. */
  add(id: Buffer, type: BlobType, pack: number, offset: number, lengthBytes: number, plainLength: number): void {
    const bucket = this.#bucket(id);
    const head = this.#buckets[bucket]!;
    for (let at = this.#find(id, type, head, 0); at !== 0; at = this.#find(id, type, this.#next(at - 1), 0)) {
      const segment = this.#segment(at - 1);
      const word = wordOf(at - 1);
      const same = (segment[word + packWord]! & ~treeBit) === pack && segment[word + offsetWord] === offset;
      if (same) return;
    }
    const entry = this.#allocate(id);
    const segment = this.#segment(entry);
    const word = wordOf(entry);
    segment[word + packWord] = type === "tree" ? pack | treeBit : pack;
    segment[word + offsetWord] = offset;
    segment[word + lengthWord] = lengthBytes;
    segment[word + plainLengthWord] = plainLength;
    segment[word + nextWord] = head;
    this.#buckets[bucket] = entry + 1;
  }

  /** Says where a claimed blob now lies. */
  place(entry: number, pack: number, offset: number, lengthBytes: number, plainLength: number): void {
    const [segment, word] = this.#locate(entry);
    this.#setPlace(entry, offset, lengthBytes, plainLength);
    Atomics.store(segment, word + packWord, ((segment[word + packWord]! & treeBit) | pack) >>> 0);
  }

  /** The number that stands for a pack in `add` and `place`. */
  packNumber(pack: string): number {
    let number = this.#packNumbers.get(pack);
    if (number === undefined) {
      number = this.#packs.push(pack) - 1;
      this.#packNumbers.set(pack, number);
    }
    return number;
  }

  /** Names of all packs that hold an indexed blob. */
  get packs(): readonly string[] {
    return this.#packs;
  }

  /** The 32 bytes of an entry's hash. */
  idOf(entry: number): Buffer {
    const [segment, word] = this.#locate(entry);
    return Buffer.from(segment.buffer, segment.byteOffset + word * 4, 32);
  }

  /** All places of a stored blob, the newest first; none when it is unknown or not yet stored. `id` is hex. */
  locations(id: string, type: BlobType): BlobLocation[] {
    const bytes = Buffer.from(id, "hex");
    const found: BlobLocation[] = [];
    for (let at = this.#find(bytes, type, this.#head(bytes), 0); at !== 0;) {
      const location = this.#location(at - 1);
      if (location) found.push(location);
      at = this.#find(bytes, type, this.#next(at - 1), 0);
    }
    return found;
  }

  /** The number of a stored blob's newest entry, or -1: the same as long as nothing is added. `id` is 32 bytes. */
  entryOf(id: Buffer, type: BlobType): number {
    let at = this.#find(id, type, this.#head(id), 0);
    while (at !== 0 && !this.#isStored(at - 1)) at = this.#find(id, type, this.#next(at - 1), 0);
    return at - 1;
  }

  /** Visits every stored blob and makes nothing for it, as millions of them need. `pack` is the number of the pack. */
  eachPlace(visit: (entry: number, type: BlobType, pack: number, offset: number, lengthBytes: number) => void): void {
    const count = this.size;
    for (let entry = 0; entry < count; entry++) {
      if (!this.#isStored(entry)) continue;
      const [segment, word] = this.#locate(entry);
      const packed = segment[word + packWord]!;
      const type = packed & treeBit ? "tree" : "data";
      visit(entry, type, packed & ~treeBit, segment[word + offsetWord]!, segment[word + lengthWord]!);
    }
  }

  /** The entry that `entryOf` gives for the blob of this one: another one when this is a further copy. */
  newestOf(entry: number): number {
    const [segment, word] = this.#locate(entry);
    const bit = segment[word + packWord]! & treeBit;
    for (let link = Atomics.load(this.#buckets, segment[word]! & (this.#buckets.length - 1)); link !== 0;) {
      const [other, at] = this.#locate(link - 1);
      if ((other[at + packWord]! & treeBit) === bit && this.#isStored(link - 1)) {
        let same = 0;
        while (same < 8 && other[at + same] === segment[word + same]) same++;
        if (same === 8) return link - 1;
      }
      link = other[at + nextWord]!;
    }
    return entry;
  }

  #isStored(entry: number): boolean {
    const [segment, word] = this.#locate(entry);
    const number = Atomics.load(segment, word + packWord) & ~treeBit;
    return number !== pendingPack && number !== abandonedPack;
  }

  /** The blob of an entry, or null when it is not stored (yet). The `id` buffer is a view of the table. */
  blobAt(entry: number): { id: Buffer; type: BlobType; location: BlobLocation } | null {
    const location = this.#location(entry);
    if (!location) return null;
    const [segment, word] = this.#locate(entry);
    return { id: this.idOf(entry), type: segment[word + packWord]! & treeBit ? "tree" : "data", location };
  }

  /** Every stored blob. The `id` buffer is a view of the table: copy it to keep it. */
  *blobs(): Generator<{ id: Buffer; type: BlobType; location: BlobLocation }> {
    const count = this.size;
    for (let entry = 0; entry < count; entry++) {
      const blob = this.blobAt(entry);
      if (blob) yield blob;
    }
  }

  #location(entry: number): BlobLocation | null {
    const [segment, word] = this.#locate(entry);
    const number = Atomics.load(segment, word + packWord) & ~treeBit;
    if (number === pendingPack || number === abandonedPack) return null;
    return {
      pack: this.#packs[number]!,
      offset: segment[word + offsetWord]!,
      lengthBytes: segment[word + lengthWord]!,
      plainLength: segment[word + plainLengthWord]!,
    };
  }

  #bucket(id: Buffer): number {
    return id.readUInt32LE(0) & (this.#buckets.length - 1);
  }

  #head(id: Buffer): number {
    return Atomics.load(this.#buckets, this.#bucket(id));
  }

  /** Walks a chain from link `from` (entry + 1; 0 ends) until link `until`; the link of the match, or 0. */
  #find(id: Buffer, type: BlobType, from: number, until: number): number {
    const bit = type === "tree" ? treeBit : 0;
    const first = id.readUInt32LE(0);
    for (let link = from; link !== until && link !== 0;) {
      const segment = this.#segment(link - 1);
      const word = wordOf(link - 1);
      if (
        segment[word] === first &&
        (segment[word + packWord]! & treeBit) === (bit | 0) &&
        this.#sameId(segment, word, id)
      ) {
        return link;
      }
      link = segment[word + nextWord]!;
    }
    return 0;
  }

  #sameId(segment: Uint32Array, word: number, id: Buffer): boolean {
    for (let i = 1; i < 8; i++) if (segment[word + i] !== id.readUInt32LE(i * 4)) return false;
    return true;
  }

  #allocate(id: Buffer): number {
    const entry = Atomics.add(this.#counter, 0, 1);
    // The buffer's length is asked for only where this thread has not seen the segment yet.
    if (this.#segments[entry >>> segmentBits] === undefined) {
      const neededBytes = ((entry >>> segmentBits) + 1) * segmentBytes;
      while (this.shared.entries.byteLength < neededBytes) this.#grow(neededBytes);
    }
    const segment = this.#segment(entry);
    const word = wordOf(entry);
    for (let i = 0; i < 8; i++) segment[word + i] = id.readUInt32LE(i * 4);
    return entry;
  }

  #grow(neededBytes: number): void {
    try {
      this.shared.entries.grow(neededBytes);
    } catch (error) {
      // Another thread may have grown it further at the same moment, which is as good.
      if (this.shared.entries.byteLength < neededBytes) throw error;
    }
  }

  #locate(entry: number): [Uint32Array, number] {
    return [this.#segment(entry), wordOf(entry)];
  }

  #segment(entry: number): Uint32Array {
    const number = entry >>> segmentBits;
    return (this.#segments[number] ??= new Uint32Array(this.shared.entries, number * segmentBytes, segmentBytes / 4));
  }

  #next(entry: number): number {
    return this.#segment(entry)[wordOf(entry) + nextWord]!;
  }

  #setNext(entry: number, link: number): void {
    const [segment, word] = this.#locate(entry);
    segment[word + nextWord] = link;
  }

  #setPack(entry: number, type: BlobType, pack: number): void {
    const [segment, word] = this.#locate(entry);
    Atomics.store(segment, word + packWord, (type === "tree" ? (pack | treeBit) >>> 0 : pack) >>> 0);
  }

  #setPlace(entry: number, offset: number, lengthBytes: number, plainLength: number): void {
    const [segment, word] = this.#locate(entry);
    segment[word + offsetWord] = offset;
    segment[word + lengthWord] = lengthBytes;
    segment[word + plainLengthWord] = plainLength;
  }
}

/** Where an entry begins in its segment. */
function wordOf(entry: number): number {
  return (entry & (segmentEntries - 1)) * wordsPerEntry;
}
