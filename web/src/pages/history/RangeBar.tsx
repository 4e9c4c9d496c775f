import { LeftOutlined, RightOutlined, ZoomInOutlined, ZoomOutOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { pan, zoom, type Range } from '../../charts/lines';
import { t, type WordKey } from '../../i18n';
import { fromInput, quickRanges, toInput, type Choice } from './range';

interface Props {
  choice: Choice;
  onRange: (range: Range) => void;
  onLast: (name: string) => void;
}

export function RangeBar({ choice, onRange, onLast }: Props) {
  const { range, last } = choice;
  const middle = (range.from + range.to) / 2;
  const icon = (word: WordKey, mark: React.ReactNode, next: Range) => (
    <Button size="small" aria-label={t(word)} title={t(word)} icon={mark} onClick={() => onRange(next)} />
  );
  return (
    <div className="range-bar">
      <div className="button-row" role="group" aria-label={t('history.quick')}>
        {quickRanges.map(([name, ms]) => (
          <Button
            key={name}
            size="small"
            type={last === ms ? 'primary' : 'default'}
            aria-pressed={last === ms}
            onClick={() => onLast(name)}
          >
            {t(`range.${name}` as WordKey)}
          </Button>
        ))}
      </div>
      <div className="button-row">
        {icon('history.earlier', <LeftOutlined />, pan(range, -0.5))}
        {icon('history.later', <RightOutlined />, pan(range, 0.5))}
        {icon('history.nearer', <ZoomInOutlined />, zoom(range, middle, 0.5))}
        {icon('history.farther', <ZoomOutOutlined />, zoom(range, middle, 2))}
      </div>
      <div className="button-row">
        <input
          type="datetime-local"
          step={1}
          aria-label={t('history.from')}
          value={toInput(range.from)}
          onChange={(e) => {
            const from = fromInput(e.target.value);
            if (from !== null && from < range.to) onRange({ from, to: range.to });
          }}
        />
        <span className="dim" aria-hidden="true">–</span>
        <input
          type="datetime-local"
          step={1}
          aria-label={t('history.to')}
          value={toInput(range.to)}
          onChange={(e) => {
            const to = fromInput(e.target.value);
            if (to !== null && to > range.from) onRange({ from: range.from, to });
          }}
        />
      </div>
    </div>
  );
}
