/** Asks at the path that its client says for the listener, and says what came. */
export default async (connection: Deno.Conn): Promise<void> => {
  const bytes = new Uint8Array(4096);
  const text = (count: number | null) =>
    new TextDecoder().decode(bytes.subarray(0, count ?? 0));
  const path = text(await connection.read(bytes)).trim();
  let answer: string;
  try {
    using server = await Deno.connect({ transport: "unix", path });
    await server.write(new TextEncoder().encode('{"command":"listener"}\n'));
    answer = text(await server.read(bytes));
  } catch (error) {
    answer = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset
      ? ""
      : `${error}`;
  }
  const said = answer === "" ? "hung up\n" : `got ${answer}`;
  await connection.write(new TextEncoder().encode(said));
};
