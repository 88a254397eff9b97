/** The members as a list, for eyes, ears and keys alike: what the picture shows, in words, with what can be done. */
import { kindText, type Person, STATE_TEXT } from './people.js';

interface Actions {
  ask(person: Person): void;
  kill(person: Person): void;
  start(person: Person): void;
}

/** Makes the list; rows keep their elements, so that the focus stays where it is. */
export function createList(list: HTMLUListElement, actions: Actions) {
  const rows = new Map<string, ReturnType<typeof createRow>>();

  function createRow(first: Person) {
    let person = first;
    const element = document.createElement('li');
    element.innerHTML = `
      <svg class="portrait" viewBox="-32 -30 64 60" aria-hidden="true"><g><use class="state-sign" x="19" y="-17"/></g></svg>
      <p><strong></strong> <span class="kind"></span><br><span class="word"></span> <span class="mood"></span></p>`;
    const find = <T extends Element>(selector: string) => element.querySelector(selector) as T;
    const [name, kind, word, mood] = ['strong', '.kind', '.word', '.mood'].map((at) => find<HTMLElement>(at)) as [
      HTMLElement,
      HTMLElement,
      HTMLElement,
      HTMLElement,
    ];
    const button = (act: () => void) => {
      const made = element.appendChild(document.createElement('button'));
      made.type = 'button';
      made.addEventListener('click', act);
      return made;
    };
    const ask = person.mine ? undefined : button(() => actions.ask(person));
    const power = person.kind === 'tab' ? undefined : button(() => actions[isUp(person) ? 'kill' : 'start'](person));
    return {
      element,
      update(next: Person, nameOf: (id: string) => string) {
        person = next;
        element.className = `${person.kind} ${person.state} colour-${person.colour}${person.mine ? ' mine' : ''}`;
        write(name, person.name);
        write(kind, kindText(person, nameOf));
        write(word, STATE_TEXT[person.state]);
        write(mood, person.state === 'alive' && person.mood ? `and ${person.mood}` : '');
        find('.state-sign').setAttribute('href', `#sign-${person.state === 'unknown' ? 'dead' : person.state}`);
        const portrait = find<SVGGElement>('.portrait g');
        if (portrait.childElementCount === 1) portrait.prepend(bodyOf(person));
        label(ask, 'Ask', person.name);
        label(power, isUp(person) ? 'Kill' : 'Restart', person.name);
        if (ask) ask.disabled = person.state !== 'alive';
      },
    };
  }

  return {
    show(people: readonly Person[], nameOf: (id: string) => string) {
      for (const [i, person] of people.entries()) {
        const row = rows.get(person.id) ?? createRow(person);
        rows.set(person.id, row);
        row.update(person, nameOf);
        if (list.children[i] !== row.element) list.insertBefore(row.element, list.children[i] ?? null);
      }
      for (const [id, { element }] of rows) {
        if (people.some((person) => person.id === id)) continue;
        element.remove();
        rows.delete(id);
      }
    },
  };
}

const isUp = ({ state }: Person) => state === 'alive';

function bodyOf({ kind }: Person): Element {
  const body = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  body.setAttribute('href', `#body-${kind}`);
  body.setAttribute('class', 'body');
  return body;
}

function label(button: HTMLButtonElement | undefined, verb: string, name: string): void {
  if (!button || button.getAttribute('aria-label') === `${verb} ${name}`) return;
  button.textContent = verb;
  button.setAttribute('aria-label', `${verb} ${name}`);
}

function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
