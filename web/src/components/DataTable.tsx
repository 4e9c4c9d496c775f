// The one table of the console: a native table whose rows are drawn only while they are in view,
// so that 100,000 rows scroll as ten do, and screen readers still meet a table.
import { useEffect, useState, type ReactNode } from 'react';
import type { Problem } from '../api/client';
import { usePhone } from '../app/phone';
import { t } from '../i18n';
import { count } from '../i18n/format';
import { Loading } from './Loading';
import { ProblemView } from './ProblemView';

export interface Column<T> {
  key: string;
  title: string;
  /** In the place of the title. */
  head?: ReactNode;
  width?: number | string;
  align?: 'right';
  /** The server can sort by this column's key. */
  sortable?: boolean;
  render: (row: T, index: number) => ReactNode;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string | number;
  /** 'name' or '-name' */
  sort?: string;
  onSort?: (sort: string) => void;
  /** Fills the height of the page and scrolls inside; else as high as its rows. */
  fill?: boolean;
  total?: number | null;
  more?: boolean;
  loading?: boolean;
  problem?: Problem | null;
  retry?: () => void;
  onEnd?: () => void;
  empty?: ReactNode;
  /** Rows can be dragged. */
  onDragRow?: (row: T, event: React.DragEvent) => void;
}

const ROW = 34;
const HEAD = 32;
const SPARE = 12;

interface View {
  top: number;
  height: number;
}

/** The rows to draw for a scroll position: [first, last). */
export function visibleRows(view: View, total: number): [number, number] {
  const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
  const last = Math.min(total, Math.ceil((view.top + view.height) / ROW) + SPARE);
  return [Math.min(first, total), last];
}

function useView(fill: boolean) {
  // State, not a ref object: the box comes later than the table, once there are rows.
  const [el, box] = useState<HTMLDivElement | null>(null);
  const [view, setView] = useState<View>({ top: 0, height: 800 });
  useEffect(() => {
    if (!el || !fill) return undefined;
    const read = () => setView({ top: el.scrollTop, height: el.clientHeight });
    const watcher = new ResizeObserver(read);
    watcher.observe(el);
    el.addEventListener('scroll', read, { passive: true });
    read();
    return () => {
      watcher.disconnect();
      el.removeEventListener('scroll', read);
    };
  }, [el, fill]);
  return { box, view };
}

function Heading<T>(props: { column: Column<T>; sort?: string; onSort?: (sort: string) => void }) {
  const { column, sort, onSort } = props;
  const up = sort === column.key;
  const down = sort === `-${column.key}`;
  const order = up ? 'ascending' : down ? 'descending' : undefined;
  const style = { width: column.width };
  if (!column.sortable || !onSort) {
    return (
      <th scope="col" style={style} className={column.align} data-column={column.key}>
        {column.head ?? column.title}
      </th>
    );
  }
  return (
    <th scope="col" style={style} className={column.align} aria-sort={order} data-column={column.key}>
      <button type="button" onClick={() => onSort(up ? `-${column.key}` : column.key)}>
        {column.title}
        <span aria-hidden="true" className="sort-mark">
          {up ? '▲' : down ? '▼' : '↕'}
        </span>
      </button>
    </th>
  );
}

function Rows<T>(props: Pick<Props<T>, 'columns' | 'rows' | 'rowKey' | 'onDragRow'> & { from: number; to: number }) {
  const { columns, rows, rowKey, from, to, onDragRow } = props;
  const blank = (height: number, key: string) =>
    height > 0 ? (
      <tr key={key} aria-hidden="true" className="blank">
        <td colSpan={columns.length} style={{ height }} />
      </tr>
    ) : null;
  return (
    <tbody>
      {blank(from * ROW, 'above')}
      {rows.slice(from, to).map((row, i) => (
        <tr
          key={rowKey(row)}
          aria-rowindex={from + i + 2}
          draggable={onDragRow ? true : undefined}
          onDragStart={onDragRow ? (event) => onDragRow(row, event) : undefined}
        >
          {columns.map((column) => (
            <td key={column.key} className={column.align}>
              {column.render(row, from + i)}
            </td>
          ))}
        </tr>
      ))}
      {blank((rows.length - to) * ROW, 'below')}
    </tbody>
  );
}

/** The same rows as a list, for a narrow screen: each a card, the columns below one another. */
function List<T>(props: Props<T>) {
  const { columns, rows, rowKey, more, loading, onEnd } = props;
  const [end, box] = useState<HTMLDivElement | null>(null);
  useEffect(() => {
    if (!end || !more || loading) return undefined;
    const watcher = new IntersectionObserver(([entry]) => entry?.isIntersecting && onEnd?.(), { rootMargin: '600px' });
    watcher.observe(end);
    return () => watcher.disconnect();
  }, [end, more, loading, onEnd]);
  return (
    <>
      <ul className="table-list" aria-label={props.label}>
        {rows.map((row, i) => (
          <li key={rowKey(row)}>
            {columns.map((column) => (
              <div key={column.key} className="list-cell" data-column={column.key}>
                {column.title ? <span className="list-title">{column.title}</span> : null}
                <span className="list-value">{column.render(row, i)}</span>
              </div>
            ))}
          </li>
        ))}
      </ul>
      <div ref={box} />
    </>
  );
}

export function DataTable<T>(props: Props<T>) {
  const { columns, rows, rowKey, fill = false, loading, problem, more, onEnd } = props;
  const phone = usePhone();
  const { box, view } = useView(fill);
  const [from, to] = fill ? visibleRows(view, rows.length) : [0, rows.length];

  const nearEnd = fill && view.top + view.height > rows.length * ROW + HEAD - 1200;
  useEffect(() => {
    if (nearEnd && more && !loading && !phone) onEnd?.();
  }, [nearEnd, more, loading, onEnd, phone]);

  const nothing = rows.length === 0;
  if (nothing && problem) return <ProblemView problem={problem} retry={props.retry} />;
  if (nothing && loading) return <Loading />;
  if (nothing && props.empty) return <>{props.empty}</>;
  return (
    <div className={fill ? 'table-frame fill' : 'table-frame'}>
      {phone ? (
        <List {...props} />
      ) : (
        <div ref={box} className="table-box" tabIndex={0} role="region" aria-label={props.label}>
          <table aria-rowcount={(props.total ?? rows.length) + 1} aria-label={props.label}>
            <thead>
              <tr aria-rowindex={1}>
                {columns.map((column) => (
                  <Heading key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
                ))}
              </tr>
            </thead>
            <Rows columns={columns} rows={rows} rowKey={rowKey} from={from} to={to} onDragRow={props.onDragRow} />
          </table>
        </div>
      )}
      {problem ? <ProblemView problem={problem} retry={props.retry} /> : null}
      {fill ? (
        <div className="table-foot" role="status">
          {more
            ? t('table.loadedOf', { n: count(rows.length), total: props.total == null ? '…' : count(props.total) })
            : t('table.all', { n: count(rows.length) })}
          {loading ? ` · ${t('state.loading')}` : ''}
        </div>
      ) : null}
    </div>
  );
}
