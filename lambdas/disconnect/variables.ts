export { presenceVariables as disconnectVariables } from '../shared/presence.ts';
