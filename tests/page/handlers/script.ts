/** Fails with markup in its message. */
export default function (): void {
  throw new Error("<script>alert(1)</script><img src=x onerror=alert(2)>");
}
