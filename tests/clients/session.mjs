// Drives a server with the official TypeScript client. driver.py says what it takes and
// prints; the two differ in the client alone.

import { argv, stderr, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const PATIENCE_SECONDS = 60;
const PROMPT_ARGUMENT = '10.66.2.2';

const [mode, steps, command, ...args] = argv.slice(2);
const lines = createInterface({ input: stdin })[Symbol.asyncIterator]();
const changes = new EventTarget();
// The client compiles each tool's output schema with ajv, and throws where an answer breaks it.
const client = new Client(
    { name: 'probity-tests', version: '0' },
    { versionNegotiation: { mode } },
);
client.setNotificationHandler('notifications/tools/list_changed', () => {
    changes.dispatchEvent(new Event('tools'));
});
await client.connect(transport());

const offered = client.getServerCapabilities();
const answer = {
    protocol: client.getNegotiatedProtocolVersion(),
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    tools: (await client.listTools()).tools,
    results: [],
    got: {},
    read: {},
};
for (const step of JSON.parse(steps)) {
    answer.results.push(await attempt(take(step)));
}
answer.prompts = offered.prompts ? (await client.listPrompts()).prompts : [];
answer.resources = offered.resources ? (await client.listResources()).resources : [];
answer.templates = offered.resources
    ? (await client.listResourceTemplates()).resourceTemplates
    : [];
for (const { name, arguments: declared = [] } of answer.prompts) {
    const required = declared.filter((argument) => argument.required);
    const given = Object.fromEntries(required.map(({ name }) => [name, PROMPT_ARGUMENT]));
    answer.got[name] = await attempt(client.getPrompt({ name, arguments: given }));
}
const blocks = answer.results.flatMap((result) => result.content ?? []);
const links = blocks.filter((block) => block.type === 'resource_link');
for (const { uri } of [...answer.resources, ...links]) {
    answer.read[uri] ??= await attempt(client.readResource({ uri }));
}
await client.close();
stdin.destroy();
stdout.write(JSON.stringify(answer));

function transport() {
    if (!command.startsWith('http://')) {
        return new StdioClientTransport({ command, args });
    }
    const headers = { Authorization: `Bearer ${args[0]}` };
    return new StreamableHTTPClientTransport(new URL(command), { requestInit: { headers } });
}

async function take(step) {
    if (step.hold) {
        stderr.write('held\n');
        await lines.next();
        return { held: true };
    }
    if (step.list_change) {
        return { list_changed: await listChange(step.list_change) };
    }
    if (step.background) {
        return comeBack(step.background, step.arguments);
    }
    const progress = [];
    const options = { timeout: 1000 * (step.give_up_after ?? PATIENCE_SECONDS) };
    if (step.progress) {
        options.onprogress = (news) => progress.push(news);
    }
    const request = { name: step.call, arguments: step.arguments ?? {} };
    // Past its patience the client tells the server that it cancels the request.
    const result = await client.callTool(request, options);
    return { ...result, progress };
}

async function comeBack(tool, given) {
    const request = { name: tool, arguments: { ...given, background: true } };
    const answer = await client.callTool(request);
    if (answer.isError) {
        return answer;
    }
    const asking = { id: answer.structuredContent.metadata.run_id, wait_sec: PATIENCE_SECONDS - 10 };
    return client.callTool(
        { name: 'run_result', arguments: asking },
        { timeout: 1000 * PATIENCE_SECONDS },
    );
}

async function listChange(seconds) {
    const news = new Promise((resolve) => {
        changes.addEventListener('tools', () => resolve(true), { once: true });
    });
    let clock;
    const silence = new Promise((resolve) => {
        clock = setTimeout(() => resolve(false), 1000 * seconds);
    });
    const modern = client.getProtocolEra() === 'modern';
    const subscription = modern ? await client.listen({ toolsListChanged: true }) : undefined;
    stderr.write('listening\n');
    const came = await Promise.race([news, silence]);
    clearTimeout(clock);
    await subscription?.close();
    return came;
}

async function attempt(doing) {
    try {
        return await doing;
    } catch (error) {
        return { error: error.message, code: error.code ?? null };
    }
}
