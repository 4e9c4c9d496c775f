import type { Theme } from '../app/theme';

// Eight hues that stay apart for the colour-blind and stand out from both grounds.
const LIGHT = ['#0b6e86', '#c2571a', '#3f8f3a', '#8b4bb8', '#b3304f', '#6b6f12', '#2f5fd0', '#7a5a45'];
const DARK = ['#4fc3dc', '#f0935a', '#7ccf76', '#c394ea', '#f0788f', '#c9cc57', '#7fa4ff', '#c9a48c'];

export function seriesColor(index: number, theme: Theme): string {
  const palette = theme === 'dark' ? DARK : LIGHT;
  return palette[index % palette.length] as string;
}

export interface ChartColors {
  text: string;
  grid: string;
  line: string;
}
export function chartColors(theme: Theme): ChartColors {
  return theme === 'dark'
    ? { text: '#a0b0b8', grid: '#222d33', line: '#3a4952' }
    : { text: '#4d5f69', grid: '#edf1f3', line: '#c9d3d9' };
}
