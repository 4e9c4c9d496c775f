// Styles made at run time (antd, uPlot) need the nonce of the page's content security policy.
const mark = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]');
export const nonce = mark?.content ?? '';

export function installNonce(): void {
  if (!nonce) return;
  const create = document.createElement.bind(document);
  document.createElement = ((tag: string, options?: ElementCreationOptions) => {
    const made = create(tag, options);
    if (tag.toLowerCase() === 'style') made.setAttribute('nonce', nonce);
    return made;
  }) as typeof document.createElement;
}
