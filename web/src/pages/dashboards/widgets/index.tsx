import '../board.css';
// One widget in its frame.
import { memo, type ReactNode } from 'react';
import { t } from '../../../i18n';
import { Markdown } from '../markdown';
import { pointsOf, type Widget } from '../model';
import { Chart, type View } from './Chart';
import { Gauge } from './Gauge';
import { pointWords, useNews, useStore } from './parts';
import { States } from './States';
import { ValueTable } from './Table';
import { ValueTile } from './Value';

function Content({ widget, view }: { widget: Widget; view: View }) {
  const { linked } = useStore();
  switch (widget.kind) {
    case 'chart':
      return <Chart widget={widget} view={view} />;
    case 'value':
      return <ValueTile widget={widget} />;
    case 'gauge':
      return <Gauge widget={widget} />;
    case 'table':
      return <ValueTable widget={widget} />;
    case 'devices':
      return <States widget={widget} />;
    default:
      return widget.text ? (
        <div className="widget-text">
          <Markdown text={widget.text} linked={linked} />
        </div>
      ) : (
        <p className="widget-nothing">{t('board.writeText')}</p>
      );
  }
}

/** Its own title, else what it shows. */
export function useTitle(widget: Widget): string {
  const points = pointsOf(widget);
  const store = useNews(points.slice(0, 1));
  if (widget.title) return widget.title;
  if (widget.kind === 'text') return '';
  const [only] = points;
  return only !== undefined && points.length === 1 ? pointWords(store, only, true) : t(`kind.${widget.kind}`);
}

interface Props {
  widget: Widget;
  view: View;
}

export const WidgetBody = memo(function WidgetBody({ widget, view }: Props) {
  return (
    <div className="widget-body">
      <Content widget={widget} view={view} />
    </div>
  );
});

export const WidgetFrame = memo(function WidgetFrame({ widget, view, head }: Props & { head?: ReactNode }) {
  const title = useTitle(widget);
  return (
    <section className="widget" data-kind={widget.kind} data-widget={widget.id} aria-label={title || t(`kind.${widget.kind}`)}>
      {title || head ? (
        <div className="widget-head">
          <h2 title={title}>{title}</h2>
          {head}
        </div>
      ) : null}
      <WidgetBody widget={widget} view={view} />
    </section>
  );
});
