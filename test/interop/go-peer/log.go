package main

// The library tells of a refused join only through its logger, so the logger turns those two lines into events too.

import (
	"fmt"
	"os"
	"strings"

	"github.com/paularlott/logger"
)

type stderrLogger struct {
	prefix string
	err    error
	peer   *peer
}

func (l stderrLogger) write(level, msg string, pairs []any) {
	line := level + " " + l.prefix + msg
	fields := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key := fmt.Sprint(pairs[i])
		fields[key] = fmt.Sprint(pairs[i+1])
		line += " " + key + "=" + fields[key]
	}
	if l.err != nil {
		line += " error=" + l.err.Error()
	}
	fmt.Fprintln(os.Stderr, strings.ReplaceAll(line, "\n", " "))
	switch msg {
	case "peer rejected join request":
		l.peer.fail("", "ERR_JOIN_REJECTED", fields["address"]+": "+fields["reason"])
	case "failed to join peer":
		l.peer.fail("", "ERR_JOIN_FAILED", fields["address"]+": "+fields["error"])
	}
}

func (l stderrLogger) Trace(string, ...any)           {}
func (l stderrLogger) Debug(msg string, pairs ...any) { l.write("debug", msg, pairs) }
func (l stderrLogger) Info(msg string, pairs ...any)  { l.write("info", msg, pairs) }
func (l stderrLogger) Warn(msg string, pairs ...any)  { l.write("warn", msg, pairs) }
func (l stderrLogger) Error(msg string, pairs ...any) { l.write("error", msg, pairs) }
func (l stderrLogger) Fatal(msg string, pairs ...any) {
	l.write("fatal", msg, pairs)
	os.Exit(1)
}

func (l stderrLogger) With(key string, value any) logger.Logger {
	l.prefix += fmt.Sprintf("%s=%v ", key, value)
	return l
}

func (l stderrLogger) WithError(err error) logger.Logger {
	l.err = err
	return l
}

func (l stderrLogger) WithGroup(group string) logger.Logger {
	l.prefix += group + ": "
	return l
}
