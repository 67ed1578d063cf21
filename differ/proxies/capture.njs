// Copies responses as they pass and posts the copies to the collector, in batches, off the request path.
// A shared zone holds what waits to be posted, at most for the zone's timeout, and is posted again where the
// collector is away or has no room. What does not fit is dropped and counted, and nothing waits for it.
// Each request has variables of this module for itself (njs clones its machine for every request).

const BODY_CAP = 262144;
const IN_ONE_POST = 100;  // an answer names as many that it did not take
const BYTES_OF_POST = 1048576;
const PERIOD_MS = 1000;  // as in js_periodic: nginx kills a run that still goes on when the next is due
const IDLE_MS = 100;

const parts = [];
let size = 0, kept = 0;

// A response without a body never comes to the body filter.
function headers(r) {
    if (r.method === 'HEAD' || r.status === 204 || r.status === 304 || r.status === 101) {
        keep(r);
    }
}

function body(r, data, flags) {
    r.sendBuffer(data, flags);
    if (data.length > 0) {
        const take = Math.min(data.length, BODY_CAP - kept);
        if (take > 0) {
            parts.push(Buffer.from(data.slice(0, take)));
            kept += take;
        }
        size += data.length;
    }
    if (flags.last) {
        keep(r);
    }
}

// Whatever goes wrong here is a copy lost, and must never be a response harmed.
function keep(r) {
    try {
        const id = r.variables.mirrordiff_role + r.variables.request_id;
        ngx.shared.mirrordiff.set(id, document_of(r, id));
    } catch (e) {
        count_lost(1);
    }
}

function document_of(r, id) {
    const v = r.variables;
    // nginx answers 502 or 504 in the place of a service that gave no answer.
    const answered = /[0-9]$/.test(v.upstream_header_time || '');
    const lines = [];
    if (answered) {
        r.rawHeadersOut.forEach(pair => lines.push([pair[0].toLowerCase(), pair[1]]));
        // nginx keeps this one in a place of its own.
        if (r.headersOut['Content-Type'] && !lines.some(pair => pair[0] === 'content-type')) {
            lines.push(['content-type', r.headersOut['Content-Type']]);
        }
    }
    return JSON.stringify({
        role: v.mirrordiff_role,
        service: v.mirrordiff_service,
        version: v.mirrordiff_version,
        pair_id: r.headersIn['x-mirrordiff-pair'] || '',
        request_id: r.headersIn['x-request-id'] || '',
        traceparent: (r.headersIn['traceparent'] || '').slice(0, 256),
        method: r.method,
        path: v.request_uri,
        authority: r.headersIn['host'] || '',
        status: answered ? r.status : 0,
        headers: lines,
        body_base64: answered ? Buffer.concat(parts).toString('base64') : '',
        body_size: answered ? size : 0,
        started_us: Math.round((Number(v.msec) - Number(v.request_time)) * 1e6),
        duration_ms: Number(v.request_time) * 1000,
        id: id
    });
}

function count_lost(number) {
    const zone = ngx.shared.mirrordiff_counts;
    if (zone) {
        zone.incr('lost', number, 0);
    }
}

async function post(session) {
    const until = Date.now() + PERIOD_MS - IDLE_MS;
    const lost = ngx.shared.mirrordiff_counts.pop('lost');
    if (lost) {
        ngx.log(ngx.WARN, `mirrordiff lost ${lost} captures: its zone is full, or the collector refuses them`);
    }
    while (Date.now() < until && Date.now() >= (ngx.shared.mirrordiff_counts.get('pause') || 0)) {
        if (!await post_some(session.variables.mirrordiff_collector)) {
            await new Promise(done => setTimeout(done, IDLE_MS));
        }
    }
}

// One post; false where nothing waits. A copy leaves the zone once it is answered for: a run may be killed
// in between, and the collector counts once what it is sent again under the same id.
async function post_some(collector) {
    const zone = ngx.shared.mirrordiff;
    const keys = zone.keys(IN_ONE_POST);
    const sent = [], lines = [];
    let length = 0;
    for (let at = 0; at < keys.length; at++) {
        const line = zone.get(keys[at]) || '';
        length += line.length;
        if (at > 0 && length > BYTES_OF_POST) {
            break;
        }
        sent.push(keys[at]);
        lines.push(line);
    }
    if (sent.length === 0) {
        return false;
    }
    let again = sent, pause = 1;
    try {
        const reply = await ngx.fetch(collector + '/v1/captures', {
            method: 'POST',
            headers: {'content-type': 'application/x-ndjson'},
            body: lines.join('\n')
        });
        if (reply.status === 200 || reply.status === 400) {
            const errors = (await reply.json()).errors;
            again = errors.filter(one => one.reason === 'queue_full').map(one => sent[one.line - 1]);
        } else if (reply.status !== 429 && reply.status < 500) {
            count_lost(sent.length);
            again = [];
        }
        pause = Number(reply.headers.get('retry-after')) || 1;
    } catch (e) {
        // The collector is away, or what answers is none.
    }
    sent.filter(key => !again.includes(key)).forEach(key => zone.delete(key));
    if (again.length > 0) {
        ngx.shared.mirrordiff_counts.set('pause', Date.now() + Math.min(pause, 10) * 1000);
    }
    return true;
}

export default {headers, body, post};
