/** A place in a `LinkedList`; it is handed out by `append` and taken back by `remove`. */
export interface Link<T> {
  readonly value: T;
  previous: Link<T> | undefined;
  next: Link<T> | undefined;
}

/** Doubly linked list: a queue needs removal from the middle in constant time, whatever its backlog. */
export class LinkedList<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Link<T> | undefined {
    return this.#first;
  }

  append(value: T): Link<T> {
    const link: Link<T> = { value, previous: this.#last, next: undefined };
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  prepend(value: T): Link<T> {
    const link: Link<T> = { value, previous: undefined, next: this.#first };
    if (this.#first) this.#first.previous = link;
    else this.#last = link;
    this.#first = link;
    this.#size++;
    return link;
  }

  /** `link` must be one of this list's. */
  remove(link: Link<T>): void {
    if (link.previous) link.previous.next = link.next;
    else this.#first = link.next;
    if (link.next) link.next.previous = link.previous;
    else this.#last = link.previous;
    this.#size--;
  }
}
