#!/usr/bin/env python3
"""Show that two builds of tlspeek say the same, byte for byte.

    .ci/same.py BEFORE AFTER [DIR...]

BEFORE and AFTER are two programs. Every verb is run with both: scan in all its forms
over testdata and over the captures in DIR, parse, explain, diff and clients over what
testdata has, and serve with clients over HTTP/1.1, HTTP/2 and the line protocol, whose
answers and events files are compared without times, ports and what a hello draws at
random. RENAMED lists the keys and texts that differ on purpose: replace its rows by your own.
"""
import base64, glob, json, os, re, shutil, socket, ssl, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor

HERE = subprocess.run(['git', 'rev-parse', '--show-toplevel'], capture_output=True, text=True).stdout.strip()

# Changed on purpose: (pattern in the output of BEFORE, its replacement).
RENAMED = [
    (r"\"says\":", "\"program\":"),
    (r"\"genuine\":", "\"expected\":"),
    (r"\"scrambled\":", "\"out_of_order\":"),
    (r"\"seen\":", "\"received\":"),
    (r"features-of-two-ages", "mixed-eras"),
    (r'"probe":', '"scanner":'),
    (r'"dialects":', '"deviations":'),
    (r'"words":', '"meaning":'),
    (r'  found:   ', '  found:    '),
    (r'  genuine: ', '  expected: '),
    (r'begun and not whole', 'incomplete: the rest is not in the capture'),
    (r'came twice and differ: the first copy was taken', 'arrived twice and differ: the first copy counts'),
    (r'IP packets given up of which fragments were missing', 'IP packets dropped because fragments are missing'),
    (r'given up for want of memory', 'dropped for lack of memory'),
    (r'clients are looked up by hello, JA4 or JA3, not by (\S+): tlspeek explain tells who has it',
     r'cannot look up clients by \1: give a hello, a JA4 or a JA3; tlspeek explain lists the clients that have it'),
]


def renamed(text):
    for pattern, replacement in RENAMED:
        text = re.sub(pattern, replacement, text)
    return text


def run(program, args, stdin=None):
    p = subprocess.run([program, *args], capture_output=True, input=stdin, timeout=600, cwd=HERE)
    err = re.sub(rb'in \d+\.\d s', b'in T s', p.stderr)
    return p.returncode, p.stdout.decode(errors='surrogateescape'), err.decode(errors='surrogateescape')


def forms():
    """The command lines of scan, without the captures."""
    yield []
    yield ['--full']
    yield ['--detail']
    yield ['--csv']
    yield ['--csv', '--full']
    yield ['--tsv', '--fields', 'time,file,packet,src_ip,src_port,dst_ip,via,sni,alpn,ja3_full,ja4_r,npf,stable,client.name,client.distance,tells.name,carrier.records,carrier.split,quic.version']
    yield ['--count']
    for key in ('ja4', 'client.name', 'sni', 'transport', 'stable'):
        yield ['--top', key]
        yield ['--unique=' + key]
    yield ['--unique', '--csv']
    yield ['--sni', '*example*']
    yield ['--transport', 'quic']
    yield ['--ja4', 't13*']


def invocations(dirs):
    captures = sorted(glob.glob(HERE + '/testdata/captures/*'))
    others = sorted(f for d in dirs for f in glob.glob(d + '/**/*.pcap*', recursive=True))
    for form in forms():
        yield ['scan', '-j', '1', *form, *captures], None
        for i in range(0, len(others), 100):
            yield ['scan', '-j', '1', *form, *others[i:i + 100]], None
    for f in captures:
        yield ['scan', '--full', '-'], open(f, 'rb').read()
        for verb in (['parse'], ['parse', '--json'], ['explain'], ['explain', '--json', '--names'], ['clients', 'lookup'], ['clients', 'lookup', '--json']):
            yield [*verb, f], None
    hellos = [l.split() for l in open(HERE + '/testdata/hellos.txt') if not l.startswith('#')]
    for _, transport, message in hellos:
        for verb in (['parse'], ['parse', '--json'], ['parse', '-']):
            yield ([*verb, message], None) if verb[-1] != '-' else (verb, message.encode())
        for verb in (['explain'], ['explain', '--json'], ['explain', '--names'], ['clients', 'lookup'], ['clients', 'lookup', '--json']):
            yield [*verb, '--transport', transport, message], None
        for cut in (10, 80, 300):
            yield ['parse', message[:cut]], None
    for _, ta, a in hellos:
        for _, tb, b in hellos[::4]:
            if ta == tb:
                for verb in (['diff'], ['diff', '--json']):
                    yield [*verb, '--transport', ta, a, b], None
    texts = ['t13d1516h2_8daaf6152771_e5627efa2ab1', 't13d1516h2_8daaf6152771_02713d6af862', '0149f47eabf9a20d0893e2a44e5a6323',
             '771,4865-4866-4867,0-11-65281-23,29-23,0', '1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p', 'nonsense', 's1t13_c63e4f057ea861471d05298d']
    for line in open(HERE + '/testdata/vectors/README.md'):
        texts += re.findall(r'`([a-z0-9_,/()\[\]-]{20,})`', line)
    for t in texts:
        for verb in (['explain'], ['explain', '--json'], ['clients', 'lookup']):
            yield [*verb, t], None
        yield ['diff', texts[0], t], None
    for args in (['clients', 'list'], ['clients', 'list', '--json'], ['clients', 'list', '--family', 'Chromium'], ['clients', 'list', '--kind', 'impersonator']):
        yield args, None


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def without_chance(text, message):
    """Replaces what one hello draws at random, and what differs from run to run."""
    if message:
        text = text.replace(base64.b64encode(message).decode(), 'RAW')
        text = re.sub(r'[0-9a-f]{16,}', lambda m: 'BYTES' if bytes.fromhex(m[0][:len(m[0]) & ~1]) in message else m[0], text)
        text = re.sub(r'(?:[0-9a-f]{2} ){2,}[0-9a-f]{2}', lambda m: 'BYTES' if bytes.fromhex(m[0]) in message else m[0], text)
    text = re.sub(r'#(tls|quic|dtls)\.[\w-]{40,}', r'#\1.MESSAGE', text)
    text = re.sub(r'>[0-9a-f]{2}(?: [0-9a-f]{2})*(?=<)', '>BYTES', text)
    text = re.sub(r'(<i data-l="\d+"[^>]*>)[^<]*', r'\1ASCII', text)
    text = re.sub(r'<td>\d\d:\d\d:\d\d</td>', '<td>TIME</td>', text)
    text = re.sub(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?', 'TIME', text)
    text = re.sub(r'\b(127\.0\.0\.1|\[::1\]|localhost):\d+', r'\1:PORT', text)
    text = re.sub(r'"id":"[0-9a-f]{32}"', '"id":"ID"', text)
    text = re.sub(r'"conn":"[0-9a-f]{16}"', '"conn":"ID"', text)
    text = re.sub(r'"community_id":"[^"]*"', '"community_id":"OF PORTS"', text)
    text = re.sub(r',"milliseconds":\d+', '', text)
    text = re.sub(r'"(src_port|dst_port|timestamp|tcp_timestamp)":\d+', r'"\1":N', text)
    text = re.sub(r'\d+(\.\d+)? (µs|ms|s)\b', 'DURATION', text)
    return text


def dump_message(answer):
    m = re.search(r'"raw":"([A-Za-z0-9+/=]+)"}\s*$', answer)
    return base64.b64decode(m[1]) if m else None


def ask_http1(port, path, accept):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.set_alpn_protocols(['http/1.1'])
    with c.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost') as s:
        def get(path, last):
            s.sendall(('GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: same/1\r\nAccept: %s\r\nConnection: %s\r\n\r\n' % (path, accept, 'close' if last else 'keep-alive')).encode())
            f = s.makefile('rb')
            status = f.readline().decode()
            headers, length = [], None
            while (line := f.readline()) != b'\r\n':
                name = line.split(b':')[0].lower()
                if name == b'content-length':
                    length = int(line.split(b':')[1])
                    continue
                if name != b'date':
                    headers.append(line.decode())
            if length is not None:
                body = f.read(length)
            else:
                body = b''
                while n := int(f.readline().split(b';')[0], 16):
                    body += f.read(n)
                    f.readline()
                f.readline()
            return status + ''.join(sorted(headers)) + body.decode(errors='replace')
        detail = get('/json?detail=1', False)
        return without_chance(get(path, True), dump_message(detail))


def ask_lines(port):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    with c.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost') as s:
        f = s.makefile('rb')
        out = ''
        for line in (b'hello\n', b'again\n'):
            s.sendall(line)
            out += f.readline().decode()
        return without_chance(out, None)


def serve(program, port):
    state = tempfile.mkdtemp()
    events, full, latest = (os.path.join(state, n) for n in ('events', 'full', 'latest'))
    answers = {}
    for name, more in (('compact', ['--events', events, '--hello-json', latest]), ('full', ['--events', full, '--events-full', '--live'])):
        p = subprocess.Popen([program, 'serve', '--listen', '127.0.0.1:%d' % port, '--state-dir', state, *more], stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                break
            except OSError:
                time.sleep(0.05)
        try:
            for path in ('/', '/json', '/json?detail=1', '/api/all', '/api/clean', '/api/browserleaks', '/compare', '/compare?client=curl&with=mine', '/live', '/nowhere'):
                for accept in ('*/*', 'text/html'):
                    answers[name, path, accept] = ask_http1(port, path, accept)
            answers[name, 'lines'] = ask_lines(port)
            if shutil.which('curl'):
                for how in ('--http1.1', '--http2'):
                    p2 = subprocess.run(['curl', '-sk', how, 'https://127.0.0.1:%d/json' % port], capture_output=True, text=True)
                    answers[name, 'curl', how] = without_chance(p2.stdout, None)
            plain = socket.create_connection(('127.0.0.1', port))
            plain.sendall(b'GET / HTTP/1.1\r\n\r\n')
            answers[name, 'plain'] = plain.makefile('rb').read().decode()
            plain.close()
            time.sleep(0.3)
        finally:
            p.terminate()
            p.wait(timeout=30)
    for name in (events, full, latest):
        answers['file', os.path.basename(name)] = '\n'.join(without_chance(l, None) for l in open(name)) if os.path.exists(name) else None
    shutil.rmtree(state)
    return answers


def main():
    before, after, dirs = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    bad = n = 0
    work = list(invocations(dirs))
    with ThreadPoolExecutor(2) as pool:
        for (args, stdin), a, b in zip(work, pool.map(lambda w: run(before, *w), work), pool.map(lambda w: run(after, *w), work)):
            n += 1
            a = (a[0], renamed(a[1]), renamed(a[2]))
            for what, x, y in zip(('status', 'output', 'errors'), a, b):
                if x != y:
                    bad += 1
                    print('tlspeek', ' '.join(args)[:200], ':', what)
                    show(x, y)
                    break
    port = free_port()
    x, y = serve(before, port), serve(after, port)
    for key in x:
        n += 1
        if renamed(x[key] or '') != (y.get(key) or ''):
            bad += 1
            print('serve', *key)
            show(renamed(x[key] or ''), y.get(key) or '')
    print('%d outputs compared, %d differ' % (n, bad))
    sys.exit(bad > 0 or n < 100)


def show(x, y):
    xs, ys = str(x).splitlines(), str(y).splitlines()
    for i in range(max(len(xs), len(ys))):
        p, q = (l[i] if i < len(l) else '(end)' for l in (xs, ys))
        if p != q:
            j = next((k for k in range(min(len(p), len(q))) if p[k] != q[k]), min(len(p), len(q)))
            print('   before:', p[max(0, j - 60):j + 100])
            print('   after: ', q[max(0, j - 60):j + 100])
            return


main()
