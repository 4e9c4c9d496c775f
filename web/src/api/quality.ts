/** Class of an OPC quality byte: the two high bits (192 good, 64 uncertain, 0 bad). */
export function qualityClass(quality: number): 'good' | 'uncertain' | 'bad' {
  if (quality >= 192) return 'good';
  return quality >= 64 && quality < 128 ? 'uncertain' : 'bad';
}

const LAST_KNOWN = 20;

/** Whether the value may be read: a bad one only as the last that was known. */
export function readable(quality: number): boolean {
  return qualityClass(quality) !== 'bad' || (quality & 0xfc) === LAST_KNOWN;
}
