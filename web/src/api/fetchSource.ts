// The live stream by fetch, for who carries a token: an EventSource can send no Authorization header.
// Only what LiveStream uses of an EventSource.
export interface Source {
  onopen: (() => void) | null;
  onerror: (() => void) | null;
  addEventListener: (name: string, handler: (event: { data: string }) => void) => void;
  close: () => void;
}

/** Cuts what came into events (WHATWG HTML 9.2.6, without ids and retry); keeps the rest for the next piece. */
export function cutEvents(text: string): { events: { name: string; data: string }[]; rest: string } {
  const blocks = text.replace(/\r\n?/g, '\n').split('\n\n');
  const rest = blocks.pop() ?? '';
  const events = blocks.flatMap((block) => {
    let name = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const at = line.indexOf(':');
      const field = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
      if (field === 'event') name = value;
      else if (field === 'data') data.push(value);
    }
    return data.length > 0 ? [{ name, data: data.join('\n') }] : [];
  });
  return { events, rest };
}

export class FetchSource implements Source {
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  private readonly handlers = new Map<string, ((event: { data: string }) => void)[]>();
  private readonly abort = new AbortController();

  constructor(url: string, token: string) {
    void this.run(url, token);
  }

  addEventListener(name: string, handler: (event: { data: string }) => void): void {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]);
  }

  close(): void {
    this.onopen = null;
    this.onerror = null;
    this.handlers.clear();
    this.abort.abort();
  }

  private async run(url: string, token: string): Promise<void> {
    try {
      const response = await fetch(url, {
        headers: { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' },
        credentials: 'omit',
        cache: 'no-store',
        signal: this.abort.signal,
      });
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      this.onopen?.();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const { events, rest } = cutEvents(text + value);
        text = rest;
        for (const event of events) this.handlers.get(event.name)?.forEach((h) => h({ data: event.data }));
      }
    } catch {
      // a network fault and an end are the same here: the source is gone
    }
    this.onerror?.();
  }
}
