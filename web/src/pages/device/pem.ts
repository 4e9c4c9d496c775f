// What a pasted text is, before it is sent: the server checks it in full.
export type PemKind = 'certificate' | 'request' | 'key' | 'unknown';

export function pemKind(text: string): PemKind {
  if (/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(text)) return 'key';
  if (/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/.test(text)) return 'request';
  return text.includes('-----BEGIN CERTIFICATE-----') ? 'certificate' : 'unknown';
}

/** ab12cd… as openssl shows it: AB:12:CD:… */
export function fingerprintText(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(':');
}

/** A device id as a file name that every system takes. */
export function fileName(device: string, what: string): string {
  return `${device.replace(/[^\p{L}\p{N}._-]+/gu, '_')}-${what}.pem`;
}
