package main

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/internal/captureinput"
)

func TestSummary(t *testing.T) {
	var skipped []captureinput.Skipped
	for i := range 12 {
		skipped = append(skipped, captureinput.Skipped{Name: "day/" + strconv.Itoa(i), Kind: "empty", Reason: "empty file"})
	}
	skipped = append(skipped, captureinput.Skipped{Name: "day/locked", Kind: "no permission", Reason: "no permission"})
	for _, test := range []struct {
		s    summary
		want string
	}{
		{summary{files: 1, stats: capture.Stats{Packets: 2, Bytes: 300, Hellos: 1}, took: 1500 * time.Millisecond},
			"1 file, 2 packets, 300 B in 1.5 s: 1 hello, 0 errors\n"},
		{summary{interrupted: true}, "interrupted: 0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n"},
		{summary{failures: 2}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 2 errors\n"},
		{summary{failures: 1, stats: capture.Stats{Hellos: 5, Errors: 2}}, "0 files, 0 packets, 0 B in 0.0 s: 5 hellos, 3 errors\n" +
			"           2 malformed, with an error in the results\n"},
		{summary{stats: capture.Stats{UnknownLinks: map[capture.LinkType]int64{9999: 1, 147: 12345, 220: 3, 195: 3}}}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"      12,345 packets of link type 147 (USER0): not read\n" +
			"           3 packets of link type 195 (IEEE802_15_4_WITHFCS): not read\n" +
			"           3 packets of link type 220 (USB_LINUX_MMAPPED): not read\n" +
			"           1 packet of link type 9999: not read\n"},
		{summary{stats: capture.Stats{DroppedStreams: 4}}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"           4 connections dropped for lack of memory (--max-memory)\n"},
		{summary{forgotten: 1}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"           1 client forgotten for lack of memory: its later hellos may lack the tells of several connections\n"},
		{summary{forgotten: 1200}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"       1,200 clients forgotten for lack of memory: their later hellos may lack the tells of several connections\n"},
		{summary{uncounted: 1}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"           1 hello with a value that the table has no row for, for lack of memory (--max-memory)\n"},
		{summary{uncounted: 12345}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"      12,345 hellos with values that the table has no row for, for lack of memory (--max-memory)\n"},
		{summary{skipped: skipped[:1]}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"           1 file in a directory passed over: 1 empty\n" +
			"               day/0: empty file\n"},
		{summary{skipped: skipped}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"          13 files in directories passed over: 12 empty, 1 no permission\n" +
			"               day/0: empty file\n" +
			"               day/1: empty file\n" +
			"               day/2: empty file\n" +
			"               day/3: empty file\n" +
			"               day/4: empty file\n" +
			"               day/5: empty file\n" +
			"               day/6: empty file\n" +
			"               day/7: empty file\n" +
			"               day/8: empty file\n" +
			"               day/9: empty file\n" +
			"               and 3 more\n"},
		{summary{filtered: true, stats: capture.Stats{Hellos: 1}}, "0 files, 0 packets, 0 B in 0.0 s: 1 hello found, 0 selected, 0 errors\n"},
		{summary{filtered: true, selected: 1234, stats: capture.Stats{Hellos: 5678}}, "0 files, 0 packets, 0 B in 0.0 s: 5,678 hellos found, 1,234 selected, 0 errors\n"},
		{summary{skipped: skipped[11:], verbose: true}, "0 files, 0 packets, 0 B in 0.0 s: 0 hellos, 0 errors\n" +
			"           2 files in directories passed over: 1 empty, 1 no permission\n" +
			"               day/11: empty file\n" +
			"               day/locked: no permission\n"},
	} {
		var b bytes.Buffer
		test.s.write(&b)
		assert.Equal(t, test.want, b.String())
	}
}
