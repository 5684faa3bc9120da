// What lives on the page: parts that are fetched anew when something happens, the output of a run as it comes,
// the policy's verdict while one types, and times in the reader's own zone. Every view works without it.

const main = document.getElementById('main');
const news = document.getElementById('news');

/** Shows each moment in the reader's own time, and in UTC under the pointer. */
function localTimes(within) {
  for (const time of within.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.valueOf())) {
      time.title = time.textContent;
      time.textContent = at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
    }
  }
}

/** Says something at the top of the page; nothing takes it away again. */
function say(text) {
  news.textContent = text;
  news.hidden = text === '';
}

/** Whether a fetched page is one; a session that is over has the browser ask for a token. */
function isGood(response) {
  if (response.status === 401) location.reload();
  return response.ok;
}

/** Puts the parts of the page as it is now in the place of those shown. */
async function refresh() {
  const response = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => null);
  if (!response || !isGood(response)) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const part of main.querySelectorAll('[data-part]')) {
    const now = fresh.getElementById(part.id);
    if (!now || now.innerHTML === part.dataset.was) continue;
    part.dataset.was = now.innerHTML;
    // Who is in the middle of something here is left alone.
    if (part.contains(document.activeElement) || part.querySelector('details[open], :checked')) continue;
    part.replaceChildren(...now.childNodes);
    localTimes(part);
  }
}

/** Calls `act` when things have happened, and no more often than once in so many milliseconds. */
function seldom(act, pause) {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(() => { isWaiting = false; act(); }, pause);
  };
}

/** Reads server-sent events; says so while there are none. */
function listen(url, onMessage, onReturn = () => {}) {
  let events;
  const open = () => {
    events = new EventSource(url);
    events.onmessage = (event) => onMessage(JSON.parse(event.data), events);
    events.onopen = () => say('');
    events.onerror = () => {
      const isOver = events.readyState === EventSource.CLOSED;
      say(isOver ? 'Not connected. Looking again…' : 'Connection lost. Trying again…');
      if (isOver) setTimeout(() => again(url, onMessage), 3000);
    };
  };
  // A browser has six connections to a server, for all of its tabs: those that nobody looks at need none.
  document.addEventListener('visibilitychange', () => {
    events?.close();
    events = undefined;
    if (!document.hidden) { open(); onReturn(); }
  });
  addEventListener('pagehide', () => events?.close());
  if (!document.hidden) open();
}

/** After a refusal a browser does not try again by itself. */
async function again(url, onMessage) {
  const response = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => null);
  if (response) isGood(response);
  listen(url, onMessage);
}

function follow(kinds) {
  const soon = seldom(refresh, 700);
  listen('/ui/events', (message) => {
    if (kinds.includes(message.type)) soon();
  }, soon);
}

/** A run that goes on: its output as it comes, how far it is, and at its end the page anew. */
function watchRun(live) {
  const output = document.getElementById('output');
  const howFar = document.getElementById('progress');
  const bar = document.createElement('progress');
  bar.max = 100;
  bar.ariaLabel = 'How far it is';
  const most = 256 * 1024;
  live.hidden = false;
  listen(live.dataset.events, ({ type, data }, events) => {
    if (type === 'output') {
      const isAtEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 4;
      output.append(data.text ?? data.chunk ?? '');
      while (output.textContent.length > most && output.firstChild !== output.lastChild) output.firstChild.remove();
      if (isAtEnd) output.scrollTop = output.scrollHeight;
    } else if (type === 'progress') {
      const left = data.remaining_sec ? `, about ${Math.round(data.remaining_sec)} s left` : '';
      howFar.replaceChildren(` ${data.message}${left}`);
      if (data.percent != null) {
        bar.value = data.percent;
        howFar.prepend(bar);
      }
    } else if (type === 'started') {
      howFar.textContent = 'It runs.';
    } else if (type === 'queued' || type === 'awaits_approval') {
      const ahead = data.ahead ? ` ${data.ahead} before it.` : '';
      howFar.textContent = data.command ? `It waits for another person, who runs: ${data.command}` : `It waits for its turn.${ahead}`;
    } else if (type === 'ended') {
      events.close();
      location.reload();
    }
  });
}

/** The policy's verdict on what stands in a form, a moment after each change. */
function checkWhileTyping(form) {
  const verdict = document.getElementById('verdict');
  let timer, asking;
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    try {
      const response = await fetch(form.dataset.check, { method: 'POST', body, signal: asking.signal, headers: { 'x-part': 'verdict' } });
      if (!isGood(response)) return;
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      verdict.replaceChildren(...fresh.body.childNodes);
    } catch (error) {
      if (error.name !== 'AbortError') say('The policy cannot be asked now.');
    }
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    asking?.abort();
    verdict.replaceChildren();
    timer = setTimeout(() => { if (form.checkValidity()) ask(); }, 300);
  });
}

/** Two runs are compared, neither one nor three. */
function pickTwo(form) {
  const button = form.querySelector('button');
  const look = () => {
    const picked = form.querySelectorAll(':checked').length;
    button.disabled = picked !== 2;
  };
  form.addEventListener('change', look);
  look();
}

/** A button that copies each block of code. */
function copyButtons() {
  for (const block of document.querySelectorAll('pre.code[id^="as-"]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'quiet';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = 'Copied';
    });
    block.after(button);
  }
}

localTimes(document);
if (main.dataset.follows) follow(main.dataset.follows.split(' '));
const live = document.getElementById('live');
if (live) watchRun(live);
for (const form of document.querySelectorAll('form[data-check]')) checkWhileTyping(form);
for (const form of document.querySelectorAll('form[action="/ui/compare"]')) pickTwo(form);
copyButtons();
