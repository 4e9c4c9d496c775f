// The words of one language (vite.config.ts).
declare module 'virtual:words/*' {
  const table: Record<string, string>;
  export default table;
}
