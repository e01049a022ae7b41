package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafkaGo is a member on segmentio's kafka-go, with its consumer group and one reader for each partition.
func kafkaGo(ctx context.Context, o Options) {
	balancers := map[string]kafka.GroupBalancer{"range": kafka.RangeGroupBalancer{}, "roundrobin": kafka.RoundRobinGroupBalancer{}}
	config := kafka.ConsumerGroupConfig{ID: o.Group, Brokers: []string{o.Bootstrap}, Topics: []string{o.Topic},
		SessionTimeout:    time.Duration(o.Session) * time.Millisecond,
		HeartbeatInterval: time.Duration(o.Session/4) * time.Millisecond, StartOffset: kafka.FirstOffset,
		JoinGroupBackoff: 500 * time.Millisecond}
	if o.Assignor != "" {
		config.GroupBalancers = []kafka.GroupBalancer{balancers[o.Assignor]}
	}
	group, err := kafka.NewConsumerGroup(config)
	if err != nil {
		panic(err)
	}
	for ctx.Err() == nil {
		generation, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				say("!", "next:", err)
			}
			continue
		}
		var ours []int32
		for _, assignment := range generation.Assignments[o.Topic] {
			ours = append(ours, int32(assignment.ID))
		}
		sayPartitions("+", ours)
		for _, assignment := range generation.Assignments[o.Topic] {
			generation.Start(func(ended context.Context) { kafkaGoPartition(ended, o, generation, assignment) })
		}
	}
	group.Close()
}

func kafkaGoPartition(ended context.Context, o Options, generation *kafka.Generation, start kafka.PartitionAssignment) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{o.Bootstrap}, Topic: o.Topic, Partition: start.ID,
		MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 10_000_000})
	defer reader.Close()
	defer sayPartitions("-", []int32{int32(start.ID)})
	if err := reader.SetOffset(start.Offset); err != nil {
		say("!", "seek:", err)
		return
	}
	next, saved, last := int64(-1), int64(-1), time.Now()
	commit := func() {
		if next == saved {
			return
		}
		if err := generation.CommitOffsets(map[string]map[int]int64{o.Topic: {start.ID: next}}); err != nil {
			say("!", "commit:", err)
			return
		}
		saved = next
		sayCommitted(map[int32]int64{int32(start.ID): next})
	}
	for ended.Err() == nil {
		wait, cancel := context.WithTimeout(ended, 100*time.Millisecond)
		message, err := reader.ReadMessage(wait)
		cancel()
		if err == nil {
			say("R", start.ID, message.Offset, string(message.Value))
			next = message.Offset + 1
		} else if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, kafka.ErrGenerationEnded) && ended.Err() == nil {
			say("!", "read:", err)
		}
		if time.Since(last) >= time.Duration(o.Commit)*time.Millisecond {
			commit()
			last = time.Now()
		}
	}
	commit()
}
