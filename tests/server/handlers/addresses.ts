export default async (connection: Deno.Conn): Promise<void> => {
  const { localAddr: local, remoteAddr: remote } = connection;
  const text = JSON.stringify({ local, remote });
  await connection.write(new TextEncoder().encode(text));
};
