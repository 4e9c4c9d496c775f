import { installNonce } from './app/nonce';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { installLinks } from './app/router';
import { language, setLanguage } from './i18n';
import './styles.css';
import './phone.css';

installNonce();
installLinks();
await setLanguage(language(), false);
createRoot(document.getElementById('root') as HTMLElement).render(<App />);
