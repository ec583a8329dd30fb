// What the WebAssembly module exports; ../kernel.ts is its only caller.

export { poly1305Begin, poly1305Finish, poly1305Update } from "./poly1305";
export { rabinCut, rabinTables } from "./rabin";
