/** A point is named device/property and is split at its last slash; a property holds none. */
export function splitPoint(name: string): { device: string; property: string } {
  const at = name.lastIndexOf('/');
  return at < 0
    ? { device: '', property: name }
    : { device: name.slice(0, at), property: name.slice(at + 1) };
}

export function joinPoint(device: string, property: string): string {
  return `${device}/${property}`;
}

/** Points in the address: each encoded, so that a comma in a name does not split it. */
export function pointsFrom(query: URLSearchParams): string[] {
  return (query.get('points') ?? '').split(',').filter(Boolean).map(decodeURIComponent);
}
export function pointsText(points: string[]): string {
  return points.map(encodeURIComponent).join(',');
}
