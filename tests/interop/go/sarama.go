package main

import (
	"context"
	"errors"
	"sync"
	"time"

	ibm "github.com/IBM/sarama"
)

// sarama is a member on IBM's sarama. Its commit answers nothing to the application, so no commit is said.
func sarama(ctx context.Context, o Options) {
	config := saramaConfig()
	config.Consumer.Offsets.Initial = ibm.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Group.Session.Timeout = time.Duration(o.Session) * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = time.Duration(o.Session/4) * time.Millisecond
	config.Consumer.Group.InstanceId = o.Instance
	config.Metadata.Retry.Max = 20
	strategies := map[string]ibm.BalanceStrategy{"range": ibm.NewBalanceStrategyRange(),
		"roundrobin": ibm.NewBalanceStrategyRoundRobin(), "sticky": ibm.NewBalanceStrategySticky()}
	if o.Assignor != "" {
		config.Consumer.Group.Rebalance.GroupStrategies = []ibm.BalanceStrategy{strategies[o.Assignor]}
	}
	for ctx.Err() == nil {
		group, err := ibm.NewConsumerGroup([]string{o.Bootstrap}, o.Group, config)
		if err != nil {
			say("!", "start:", err)
			time.Sleep(200 * time.Millisecond)
			continue
		}
		go func() {
			for err := range group.Errors() {
				say("!", err)
			}
		}()
		for ctx.Err() == nil {
			err := group.Consume(ctx, []string{o.Topic}, &saramaMember{o: o})
			if errors.Is(err, ibm.ErrClosedConsumerGroup) {
				break
			}
			if err != nil {
				say("!", "consume:", err)
				time.Sleep(200 * time.Millisecond)
			}
		}
		if err := group.Close(); err != nil {
			say("!", "close:", err)
		}
	}
}

func saramaConfig() *ibm.Config {
	config := ibm.NewConfig()
	config.Version = ibm.MaxVersion
	config.Producer.Return.Successes = true
	return config
}

type saramaMember struct {
	o     Options
	mutex sync.Mutex
	last  time.Time
}

func (m *saramaMember) Setup(session ibm.ConsumerGroupSession) error {
	sayPartitions("+", session.Claims()[m.o.Topic])
	return nil
}

func (m *saramaMember) Cleanup(session ibm.ConsumerGroupSession) error {
	session.Commit()
	sayPartitions("-", session.Claims()[m.o.Topic])
	return nil
}

func (m *saramaMember) ConsumeClaim(session ibm.ConsumerGroupSession, claim ibm.ConsumerGroupClaim) error {
	tick := time.NewTicker(time.Duration(m.o.Commit) * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			say("R", message.Partition, message.Offset, string(message.Value))
			session.MarkMessage(message, m.o.Metadata)
		case <-tick.C:
			m.mutex.Lock()
			if time.Since(m.last) >= time.Duration(m.o.Commit)*time.Millisecond {
				session.Commit()
				m.last = time.Now()
			}
			m.mutex.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}
