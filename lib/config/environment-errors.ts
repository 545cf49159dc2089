/** All that is wrong in a list of environments, one problem a line. */
export class EnvironmentErrors extends Error {
  readonly problems: readonly string[];

  constructor(source: string, problems: readonly string[], options?: ErrorOptions) {
    super(problems.map(problem => `${source}: ${problem}`).join('\n'), options);
    this.name = 'EnvironmentErrors';
    this.problems = problems;
  }
}
