#!/usr/bin/env python3
"""Scan labelled captures and compare every hello with the expected values.

    .ci/clients.py DIR [PROTO,...]

DIR has pcap/, derived/ with its manifest.jsonl, and expected.jsonl. Rows are matched by capture, source and
destination, in order.
The exit status is 1 if a hello is missing, wrong or not expected.
"""
import collections, glob, json, os, subprocess, sys

KEYS = ['ja3', 'ja3_full', 'ja4', 'ja4_r', 'ja4_o', 'ja4_ro', 'sni', 'alpn']


def endpoint(ip, port):
    return '%s:%d' % (ip, port)


def main():
    top = sys.argv[1]
    protos = sys.argv[2].split(',') if len(sys.argv) > 2 else ['tls', 'quic', 'dtls']
    want = collections.defaultdict(list)
    for line in open(os.path.join(top, 'expected.jsonl')):
        row = json.loads(line)
        rows = want[row['file']]
        again = any(all(r[k] == row[k] for k in ('src', 'dst', 'ja4')) for r in rows)
        if row['proto'] in protos and ('n' in row or not again):  # without n: perhaps a retransmission
            rows.append(row)
    for line in open(os.path.join(top, 'derived', 'manifest.jsonl')):
        row = json.loads(line)
        if row['expect'].startswith('same') and 'tls' in protos:
            row.update(row.pop('hello'), proto='tls')
            want[row['file']].append(row)
    bad, hellos = [], 0
    for path in sorted(glob.glob(os.path.join(top, '*', '*.pcap*'))):
        name = os.path.relpath(path, top)
        out = subprocess.run(['bin/tlspeek', 'scan', '--full', path], capture_output=True, text=True)
        got = collections.defaultdict(list)
        for line in out.stdout.splitlines():
            e = json.loads(line)
            if e['transport'] in protos and 'ja4' in e:
                got[endpoint(e['src_ip'], e['src_port']), endpoint(e['dst_ip'], e['dst_port'])].append(e)
        if 'panic' in out.stderr:
            bad.append((name, 'panic'))
        for row in want[name]:
            rows = got[row['src'], row['dst']]
            if not rows:
                bad.append((name, 'missing', row['proto'], row['src'], row['ja4']))
                continue
            e = rows.pop(0)
            hellos += 1
            for k in KEYS:
                if k in row and (row[k] or e.get(k)) and row[k] != e.get(k):
                    bad.append((name, k, 'want', row[k], 'got', e.get(k)))
        for rows in got.values():
            bad += [(name, 'not expected', e['transport'], e['src_ip'], e['src_port'], e['ja4']) for e in rows]
    for b in bad[:40]:
        print(*b)
    print('%d hellos equal in every value, %d faults' % (hellos, len(bad)))
    sys.exit(bool(bad))


main()
