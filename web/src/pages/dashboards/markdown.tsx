// A small part of Markdown as elements: headings, lists, rules, bold, italic, code, links. Text is
// text: there is no markup to inject, and links lead to http(s) or into the console only.
import { Fragment, type ReactNode } from 'react';

export function safeLink(to: string): string | null {
  return /^https?:\/\/[^\s]+$/.test(to) || /^\/(?![/\\])[^\s]*$/.test(to) ? to : null;
}

const inline = /(\*\*[^*]+\*\*|\*[^*\s][^*]*\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\))/;

function words(text: string, linked: boolean): ReactNode[] {
  return text.split(inline).map((part, i) => {
    if (i % 2 === 0) return part;
    if (part.startsWith('**')) return <strong key={i}>{part.slice(2, -2)}</strong>;
    if (part.startsWith('*')) return <em key={i}>{part.slice(1, -1)}</em>;
    if (part.startsWith('`')) return <code key={i}>{part.slice(1, -1)}</code>;
    const [, label, to] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? [];
    const href = safeLink(to ?? '');
    if (!href) return part;
    if (!linked) return label;
    const away = href.startsWith('http');
    return (
      <a key={i} href={href} {...(away ? { target: '_blank', rel: 'noreferrer' } : {})}>
        {label}
      </a>
    );
  });
}

type Block = { kind: 'h1' | 'h2' | 'h3' | 'p' | 'ul' | 'ol' | 'hr'; lines: string[] };

export function blocks(text: string): Block[] {
  const out: Block[] = [];
  let open: Block | null = null;
  const add = (kind: Block['kind'], line: string, join: boolean) => {
    if (join && open?.kind === kind) open.lines.push(line);
    else {
      open = { kind, lines: [line] };
      out.push(open);
    }
  };
  for (const line of text.split(/\r?\n/)) {
    const head = /^(#{1,3})\s+(.*)$/.exec(line);
    const item = /^\s*[-*]\s+(.*)$/.exec(line);
    const step = /^\s*\d+[.)]\s+(.*)$/.exec(line);
    if (line.trim() === '') open = null;
    else if (/^\s*(---+|\*\*\*+)\s*$/.test(line)) add('hr', '', false);
    else if (head) add(`h${head[1]?.length ?? 1}` as Block['kind'], head[2] ?? '', false);
    else if (item) add('ul', item[1] ?? '', true);
    else if (step) add('ol', step[1] ?? '', true);
    else add('p', line, true);
  }
  return out;
}

export function Markdown({ text, linked = true }: { text: string; linked?: boolean }) {
  return (
    <>
      {blocks(text).map((block, i) => {
        const { kind: Tag, lines } = block;
        if (Tag === 'hr') return <hr key={i} />;
        if (Tag === 'ul' || Tag === 'ol') {
          return (
            <Tag key={i}>
              {lines.map((line, k) => (
                <li key={k}>{words(line, linked)}</li>
              ))}
            </Tag>
          );
        }
        // A heading of the page is one level above: the widget's own begin at h3.
        const Name = Tag === 'p' ? 'p' : 'h3';
        return (
          <Name key={i} className={Tag === 'p' ? undefined : `md-${Tag}`}>
            {lines.map((line, k) => (
              <Fragment key={k}>
                {k > 0 ? <br /> : null}
                {words(line, linked)}
              </Fragment>
            ))}
          </Name>
        );
      })}
    </>
  );
}
