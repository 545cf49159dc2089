// dynalite 4.0.0 has no types.

type TableCallback = (error: unknown, table?: unknown) => void;

/** dynalite's own view of its database; only what is used here. */
interface DynaliteStore {
  readonly tableDb: { awsAccountId: string; awsRegion: string };
  readonly lifecycleManager: { gracefulClose(): Promise<void> };
  readonly db: { open(): Promise<void> };
  getTable: (name: string, checkStatusOrCallback: boolean | TableCallback, callback?: TableCallback) => void;
}

declare module 'dynalite/db/index.js' {
  const database: {
    create(options: {
      path?: string;
      createTableMs: number;
      deleteTableMs: number;
      updateTableMs: number;
    }): DynaliteStore;
    capacityUnits(item: object | undefined, isRead: boolean, isConsistent?: boolean): number;
  };
  export default database;
}

declare module 'dynalite/validations/index.js' {
  const validations: {
    checkTypes(input: object, types: object): Record<string, unknown>;
    checkValidations(input: object, types: object, custom: unknown, store: DynaliteStore): void;
  };
  export default validations;
}

declare module 'dynalite/validations/*' {
  const validation: { readonly types: Readonly<Record<string, unknown>>; readonly custom?: unknown };
  export default validation;
}

declare module 'dynalite/actions/*' {
  const action: (
    store: DynaliteStore,
    input: object,
    callback: (error: unknown, reply: Record<string, unknown>) => void,
  ) => void;
  export default action;
}
