/** Sends back what comes, through streams. */
export default async function echo({ readable, writable }) {
  await readable.pipeTo(writable);
}
