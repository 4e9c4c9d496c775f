import { Button } from 'antd';
import { Component, type ReactNode } from 'react';
import { EmptyState } from '../components/EmptyState';
import { t } from '../i18n';

interface Props {
  children: ReactNode;
}

/** Catches a fault of a page, so that the rest of the console goes on. */
export class ErrorBoundary extends Component<Props, { error: Error | null }> {
  override state = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const error: Error | null = this.state.error;
    if (!error) return this.props.children;
    return (
      <EmptyState
        title={t('error.page')}
        hint={t('error.pageHint')}
        action={
          <Button type="primary" onClick={() => location.reload()}>
            {t('action.reloadPage')}
          </Button>
        }
      >
        <pre className="fault">{String(error)}</pre>
      </EmptyState>
    );
  }
}
