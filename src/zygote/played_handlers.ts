/**
 * What handlers do with a connection: rehearsed in place of a person's handler, which is not called without a
 * client.
 *
 * @module
 */
import type { AnyConnection, AnyService } from "../service/service.ts";

/** What most of them do. */
export const often: readonly AnyService[] = [
  async (connection) => {
    await connection.readable.pipeTo(connection.writable);
  },
  async (connection) => {
    const buffer = new Uint8Array(1024);
    for (let count; (count = await connection.read(buffer)) !== null;) {
      await connection.write(buffer.subarray(0, count));
    }
  },
];

/** What some of them do. */
export const seldom: readonly AnyService[] = [
  async (connection) => {
    for await (const chunk of connection.readable) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      await connection.write(chunk);
    }
  },
  async (connection) => {
    const reader = connection.readable.getReader();
    const writer = connection.writable.getWriter();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      await writer.write(value);
    }
    await writer.close();
  },
  async ({ readable, writable }) => {
    await readable.pipeThrough(new TransformStream()).pipeTo(writable);
  },
  async (connection) => {
    const decoder = new TextDecoder(), encoder = new TextEncoder();
    const buffer = new Uint8Array(1024);
    for (let count; (count = await connection.read(buffer)) !== null;) {
      const text = decoder.decode(buffer.subarray(0, count));
      await connection.write(encoder.encode(text));
    }
    connection.close();
  },
  (connection: AnyConnection) => {
    const buffer = new Uint8Array(1024);
    for (let count; (count = connection.readSync(buffer)) !== null;) {
      connection.writeSync(buffer.subarray(0, count));
    }
  },
];
