/** Labels as people type them: "line:2, shift:a" <-> {line: '2', shift: 'a'}. */
export function parseLabels(text: string): Record<string, string> | null {
  const labels: Record<string, string> = {};
  for (const part of text.split(/[,，;；\n]/)) {
    const pair = part.trim();
    if (!pair) continue;
    const found = /^([^:：=]+)[:：=](.*)$/.exec(pair);
    if (!found) return null;
    labels[(found[1] as string).trim()] = (found[2] as string).trim();
  }
  return labels;
}

export function labelsText(labels: Record<string, string> | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}:${value}`)
    .join(', ');
}
