// @ts-self-types="./mod.d.ts"
// One by one, as `async/mod.js` does not load: it also exports `channel.js`,
// which imports a file that the package lacks.
export * from "npm:deno-std@1.4.0/async/abortable.js";
export * from "npm:deno-std@1.4.0/async/deadline.js";
export * from "npm:deno-std@1.4.0/async/delay.js";
export * from "npm:deno-std@1.4.0/async/poll.js";
export * from "npm:deno-std@1.4.0/async/pool.js";
