// Much memory of every kind, from before the fork: each connection checks it, then writes all over it.
const buffer = new Uint8Array(1024 * 1024).map((_, i) => (i * 31) & 255);
const texts = Array.from({ length: 5_000 }, (_, i) => `text ${i}`);
const byText = new Map(texts.map((text, i) => [text, { i }]));

function isWhole(): boolean {
  return buffer.every((byte, i) => byte === ((i * 31) & 255)) &&
    texts.every((text, i) => text === `text ${i}`) &&
    texts.every((text, i) => byText.get(text)?.i === i);
}

export default async function memory(connection: Deno.Conn): Promise<void> {
  const answer = isWhole() ? "whole" : "broken";
  buffer.fill(255);
  texts.fill("");
  byText.clear();
  await connection.write(new TextEncoder().encode(answer));
}
