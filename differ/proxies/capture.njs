// Copies responses as they pass and posts the copies to the collector, in batches, off the request path.
// A shared zone holds what waits to be posted; what does not fit is dropped, and nothing waits for it.
// Each request has variables of this module for itself (njs clones its machine for every request).

const BODY_CAP = 262144;
const IN_ONE_POST = 100;

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

function keep(r) {
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
    const id = v.mirrordiff_role + v.request_id;
    const document = JSON.stringify({
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
    try {
        ngx.shared.mirrordiff.set(id, document);
    } catch (e) {
        // The zone is full: the copy is lost, and the response is not.
    }
}

async function post(session) {
    const zone = ngx.shared.mirrordiff;
    for (let keys = zone.keys(IN_ONE_POST); keys.length > 0; keys = zone.keys(IN_ONE_POST)) {
        const lines = keys.map(key => zone.get(key)).filter(line => line);
        keys.forEach(key => zone.delete(key));
        try {
            await ngx.fetch(session.variables.mirrordiff_collector + '/v1/captures', {
                method: 'POST',
                headers: {'content-type': 'application/x-ndjson'},
                body: lines.join('\n')
            });
        } catch (e) {
            return;  // the collector is away; what comes next is tried again
        }
    }
}

export default {headers, body, post};
