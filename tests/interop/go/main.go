// Two programs in one: `clients member OPTIONS` is a group member (../members/README.md), `clients records BOOTSTRAP PROTOCOLS` writes and
// reads records with each of three libraries and prints one JSON line per case.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options is what a member is told.
type Options struct {
	Library, Bootstrap, Group, Topic, Protocol, Assignor, Instance, Metadata string
	Session, Commit                                                          int
}

var stdout sync.Mutex

func say(kind string, rest ...any) {
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Println(append([]any{time.Now().UnixMicro(), kind}, rest...)...)
}

func sayPartitions(kind string, partitions []int32) {
	if len(partitions) == 0 {
		return
	}
	slices.Sort(partitions)
	rest := make([]any, len(partitions))
	for i, p := range partitions {
		rest[i] = p
	}
	say(kind, rest...)
}

func sayCommitted(offsets map[int32]int64) {
	if len(offsets) == 0 {
		return
	}
	rest := make([]any, 0, len(offsets))
	for p, o := range offsets {
		rest = append(rest, fmt.Sprintf("%d:%d", p, o))
	}
	say("C", rest...)
}

// untilAsked ends when stdin says stop or ends.
func untilAsked() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() && strings.TrimSpace(lines.Text()) != "stop" {
		}
		cancel()
	}()
	return ctx
}

func main() {
	switch os.Args[1] {
	case "member":
		options := Options{Commit: 200, Session: 6000}
		if err := json.Unmarshal([]byte(os.Args[2]), &options); err != nil {
			panic(err)
		}
		member := map[string]func(context.Context, Options){"franz-go": franz, "sarama": sarama, "kafka-go": kafkaGo}
		member[options.Library](untilAsked(), options)
		say(".")
	case "records":
		records(os.Args[2], strings.Split(os.Args[3], ","))
	}
}
