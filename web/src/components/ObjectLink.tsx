// What an entry or a problem is about, as a link to its page.

/** The page of what a change or a problem is about: "device:pump-1", or an act "device.changed" on it. */
export function placeOf(object: string | undefined, act = ''): string | null {
  const found = /^(device|thing)s?:(.+)$/.exec(object ?? '');
  const kind = found?.[1] ?? /^(device|thing)\./.exec(act)?.[1];
  const id = found?.[2] ?? object;
  return kind && id ? `/${kind}s/${encodeURIComponent(id)}` : null;
}

export function ObjectLink({ object, act }: { object?: string; act?: string }) {
  if (!object) return null;
  const place = placeOf(object, act);
  return place ? <a href={place}>{object}</a> : <span className="mono">{object}</span>;
}
