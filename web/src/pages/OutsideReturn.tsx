// The window that was opened to confirm at a provider, once it has come back.
import { useEffect, useState } from 'react';
import { outsideProblem, outsideReturn, tellConfirmed } from '../api/outside';
import { OutsideCode } from '../components/OutsideCode';
import { ProblemView } from '../components/ProblemView';
import { t } from '../i18n';

export function OutsideReturn() {
  const why = outsideReturn?.why ?? '';
  const [done, setDone] = useState(why === 'confirmed');
  useEffect(() => {
    document.title = `${t('app.name')}`;
    if (done) {
      tellConfirmed();
      window.close();
    }
  }, [done]);
  return (
    <div className="sign-in">
      <main className="sign-in-box">
        <img src="/icon.svg" alt="" width={44} height={44} />
        <h1>{t('app.name')}</h1>
        {done ? <p role="status">{t('outside.confirmed')}</p> : null}
        {!done && why === 'code' ? <OutsideCode onDone={() => setDone(true)} /> : null}
        {!done && why !== 'code' ? <ProblemView problem={outsideProblem(why)} /> : null}
        {done || why !== 'code' ? <p className="dim">{t('outside.close')}</p> : null}
      </main>
    </div>
  );
}
