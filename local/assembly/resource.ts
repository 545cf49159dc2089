/** A resource of a synthesized template after its intrinsic functions were resolved. */
export interface Resource {
  /** Id of the stack that declares it, e.g. `matchbook-dev-Realtime`. */
  readonly stack: string;
  readonly logicalId: string;
  /** CloudFormation type, e.g. `AWS::SQS::Queue`. */
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** What `Ref` returns. */
  readonly physicalId: string;
  /** What `Fn::GetAtt` returns, by attribute name. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The account and region that the local environment plays. */
export interface Place {
  readonly partition: 'aws';
  readonly account: string;
  readonly region: string;
}

/** What a resource will be called, derived from its declaration alone so that no start order matters. */
export interface Identity {
  readonly physicalId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Declaration {
  readonly stack: string;
  readonly logicalId: string;
  /** The resolved value of one property, or undefined. */
  readonly property: (name: string) => unknown;
}

/** Names the resources of the types that a local service runs; a type that nobody names is an error at start. */
export type Identities = Readonly<Record<string, (declaration: Declaration, place: Place) => Identity>>;
