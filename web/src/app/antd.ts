import { theme, type ThemeConfig } from 'antd';
import type { Theme } from './theme';

const FONT =
  '"Segoe UI", "PingFang SC", "Microsoft YaHei UI", "Microsoft YaHei", "Noto Sans CJK SC", ' +
  '"WenQuanYi Zen Hei", system-ui, sans-serif';

/** antd in the look of styles.css: the same ground, line and accent colours, dense controls. */
export function antdTheme(mode: Theme, phone = false): ThemeConfig {
  const dark = mode === 'dark';
  const link = dark ? '#5cc3da' : '#0b6e86';
  return {
    algorithm: dark ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: {
      colorPrimary: dark ? '#1f8ba5' : '#0b6e86',
      colorLink: link,
      colorError: dark ? '#ff7a70' : '#c4302b',
      colorSuccess: dark ? '#4fb87a' : '#1f8a4c',
      colorWarning: dark ? '#e0a33e' : '#b26a00',
      colorBgBase: dark ? '#10161a' : '#ffffff',
      colorBgContainer: dark ? '#161e23' : '#ffffff',
      colorBgElevated: dark ? '#1c262c' : '#ffffff',
      colorBorder: dark ? '#3a4952' : '#c9d3d9',
      colorBorderSecondary: dark ? '#27333a' : '#e3e9ec',
      colorText: dark ? '#dfe7ea' : '#17242b',
      colorTextSecondary: dark ? '#a0b0b8' : '#4d5f69',
      colorTextPlaceholder: dark ? '#8fa1aa' : '#5f717b',
      fontFamily: FONT,
      fontSize: 13,
      // On a phone a finger has to hit them.
      controlHeight: phone ? 44 : 30,
      controlHeightSM: phone ? 40 : 24,
      borderRadius: 5,
      motion: false, // nothing waits for a movement, and none can be left half done (a button that spins on for ever)
      wireframe: false,
    },
    components: {
      Tabs: { itemSelectedColor: link, itemHoverColor: link, inkBarColor: link, horizontalItemPadding: '8px 0', horizontalMargin: '0 0 12px 0' },
      Form: { itemMarginBottom: 14, verticalLabelPadding: '0 0 4px' },
      Modal: { titleFontSize: 15 },
    },
  };
}
