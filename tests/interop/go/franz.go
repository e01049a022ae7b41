package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz is a member on franz-go: with the protocol "consumer" its server-side balancer (KIP-848).
func franz(ctx context.Context, o Options) {
	next := map[int32]int64{}
	commit := func(client *kgo.Client, partitions []int32) {
		wanted := map[int32]int64{}
		offsets := map[string]map[int32]kgo.EpochOffset{o.Topic: {}}
		for p, offset := range next {
			if partitions == nil || slices.Contains(partitions, p) {
				wanted[p] = offset
				offsets[o.Topic][p] = kgo.EpochOffset{Epoch: -1, Offset: offset}
			}
		}
		if len(wanted) == 0 {
			return
		}
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		limit = kgo.PreCommitFnContext(limit, func(request *kmsg.OffsetCommitRequest) error {
			for t := range request.Topics {
				for p := range request.Topics[t].Partitions {
					request.Topics[t].Partitions[p].Metadata = &o.Metadata
				}
			}
			return nil
		})
		client.CommitOffsetsSync(limit, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest,
			answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				say("!", "commit:", err)
				return
			}
			for _, topic := range answer.Topics {
				for _, p := range topic.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						say("!", "commit:", p.Partition, err)
						delete(wanted, p.Partition)
					}
				}
			}
			sayCommitted(wanted)
			for p := range wanted {
				delete(next, p)
			}
		})
	}
	forget := func(partitions []int32) {
		for _, p := range partitions {
			delete(next, p)
		}
		sayPartitions("-", partitions)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(o.Bootstrap), kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxWait(100 * time.Millisecond), kgo.SessionTimeout(time.Duration(o.Session) * time.Millisecond),
		kgo.HeartbeatInterval(time.Duration(o.Session/4) * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, gained map[string][]int32) {
			sayPartitions("+", gained[o.Topic])
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, client *kgo.Client, revoked map[string][]int32) {
			commit(client, revoked[o.Topic])
			forget(revoked[o.Topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { forget(lost[o.Topic]) }),
	}
	if o.Instance != "" {
		options = append(options, kgo.InstanceID(o.Instance))
	}
	balancers := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(),
		"sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer()}
	if o.Protocol == "consumer" {
		balancer := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer()}[o.Assignor]
		if balancer == nil {
			balancer = kgo.StickyBalancer()
		}
		options = append(options, kgo.Balancers(balancer), kgo.ServerSideBalancer())
	} else if o.Assignor != "" {
		options = append(options, kgo.Balancers(balancers[o.Assignor]))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	last := time.Now()
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := client.PollFetches(wait)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) {
			if err != context.DeadlineExceeded && err != context.Canceled {
				say("!", "fetch:", err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			say("R", r.Partition, r.Offset, string(r.Value))
			next[r.Partition] = r.Offset + 1
		})
		if time.Since(last) >= time.Duration(o.Commit)*time.Millisecond {
			commit(client, nil)
			last = time.Now()
		}
		client.AllowRebalance()
	}
	commit(client, slices.Collect(maps.Keys(next)))
	client.CloseAllowingRebalance()
}
