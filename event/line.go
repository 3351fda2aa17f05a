package event

import (
	"time"

	"github.com/tlspeek/tlspeek/internal/jsonw"
)

// A lineCache has what [Observer.AppendJSON] writes without making text of it first.
// The lines of an Observer share most of it.
type lineCache struct {
	serverName []byte // as the client sent it
	file       []byte // the value of file in JSON, or nothing

	second int64  // since 1970
	date   []byte // that second, as time begins
}

// setFile sets the value of file to that of text.
func (c *lineCache) setFile(text string) {
	if c.file = c.file[:0]; text != "" {
		c.file = jsonw.AppendString(c.file, text)
	}
}

// appendTime appends t, which is in UTC, in the form of [time.RFC3339Nano]. It formats
// the date only once for times in the same second.
func (c *lineCache) appendTime(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second != c.second || len(c.date) == 0 {
		c.second, c.date = second, t.AppendFormat(c.date[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, c.date...)
	if n := uint32(t.Nanosecond()); n != 0 {
		fraction := [...]byte{'.', 9: 0}
		for i := len(fraction) - 1; i > 0; i-- {
			fraction[i] = '0' + byte(n%10)
			n /= 10
		}
		end := len(fraction)
		for fraction[end-1] == '0' {
			end--
		}
		dst = append(dst, fraction[:end]...)
	}
	return append(dst, 'Z')
}
