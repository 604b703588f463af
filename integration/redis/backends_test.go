package redis_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	defaultPrefix   = goredis.DefaultPrefix
	defaultMaxBytes = goredis.DefaultMaxBytes
)

// store is what a backend opens.
type store interface {
	session.Handler
	session.Toucher
	session.Locker
	session.Pinger
	io.Closer
}

// TestGoredis and TestRedigo run the same tests, on the client library that they are named after.
func TestGoredis(t *testing.T) { testAll(t) }

func TestRedigo(t *testing.T) { testAll(t) }

// openURL opens a Store of the backend that the test is about.
func openURL(t testing.TB, rawURL string) (store, error) { return openFor(t.Name(), rawURL) }

// openFor opens a Store for the test of a name.
func openFor(test, rawURL string) (store, error) {
	if strings.HasPrefix(test, "TestRedigo") {
		return redigo.Open(rawURL)
	}
	return goredis.Open(rawURL)
}

// opener opens Stores for a suite.
func opener(t testing.TB, rawURL string) func(context.Context) (session.Handler, error) {
	return func(context.Context) (session.Handler, error) { return openURL(t, rawURL) }
}

func testAll(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"EveryOptionHasAnEffect", testEffects},
		{"Incarnation", testIncarnation},
		{"IncarnationChanges", testIncarnationChanges},
		{"IncarnationCluster", testIncarnationCluster},
		{"IncarnationSentinel", testIncarnationSentinel},
		{"LockCluster", testLockCluster},
		{"DeadWaiterCluster", testDeadWaiterCluster},
		{"PingCluster", testPingCluster},
		{"CommandsCluster", testCommandsCluster},
		{"Commands", testCommands},
		{"ConflictHoldsNewest", testConflictHoldsNewest},
		{"SteadyConnections", testSteadyConnections},
		{"LockCommands", testLockCommands},
		{"WakeCommands", testWakeCommands},
		{"OneSubscription", testOneSubscription},
		{"LockDifferential", testLockDifferential},
		{"HandedOver", testHandedOver},
		{"HandedOverAndDead", testHandedOverAndDead},
		{"CalledOnly", testCalledOnly},
		{"WriteReleaseOfStored", testWriteReleaseOfStored},
		{"LockOrder", testLockOrder},
		{"LockGivenUp", testLockGivenUp},
		{"LockTakenOver", testLockTakenOver},
		{"LeaseEndedUnnoticed", testLeaseEndedUnnoticed},
		{"UncleanPassesOn", testUncleanPassesOn},
		{"LockQueueFull", testLockQueueFull},
		{"LockExcludes", testLockExcludes},
		{"LockFullMemory", testLockFullMemory},
		{"LockPermissions", testLockPermissions},
		{"QuietSubscription", testQuietSubscription},
		{"LockFields", testLockFields},
		{"LockUnknown", testLockUnknown},
		{"LockDestroyed", testLockDestroyed},
		{"LockCorrupt", testLockCorrupt},
		{"LockPrefix", testLockPrefix},
		{"DeadWaiter", testDeadWaiter},
		{"SubscriptionKilled", testSubscriptionKilled},
		{"MessageLost", testMessageLost},
		{"LockScriptFlush", testLockScriptFlush},
		{"Pipelines", testPipelines},
		{"PipelinesCluster", testPipelinesCluster},
		{"PipelinesClusterStall", testPipelinesClusterStall},
		{"PipelinesClusterLost", testPipelinesClusterLost},
		{"LostReply", testLostReply},
		{"LostReplies", testLostReplies},
		{"BytesOnTheWire", testBytesOnTheWire},
		{"Misconfigured", testMisconfigured},
		{"WrongPasswordUnderLoad", testWrongPasswordUnderLoad},
		{"PasswordRotation", testPasswordRotation},
		{"HostileReplies", testHostileReplies},
		{"FullMemory", testFullMemory},
		{"ReadOnlyServer", testReadOnlyServer},
		{"Corrupt", testCorrupt},
		{"Permissions", testPermissions},
		{"TLSRefused", testTLSRefused},
		{"Stall", testStall},
		{"StallDeadline", testStallDeadline},
		{"StallIdle", testStallIdle},
		{"StallWithoutDeadline", testStallWithoutDeadline},
		{"StallLarge", testStallLarge},
		{"Kill", testKill},
		{"Demoted", testDemoted},
		{"ScriptFlush", testScriptFlush},
		{"Suite", testSuite},
		{"Servers", testServers},
		{"ClusterHalfMigrated", testClusterHalfMigrated},
		{"ClusterReshard", testClusterReshard},
		{"ClusterStranger", testClusterStranger},
		{"ClusterFailover", testClusterFailover},
		{"SentinelFailover", testSentinelFailover},
		{"SentinelSwitch", testSentinelSwitch},
		{"SuiteCluster", testSuiteCluster},
		{"SuiteSentinel", testSuiteSentinel},
		{"SuiteReplicas", testSuiteReplicas},
		{"ReplicaSparesMaster", testReplicaSparesMaster},
		{"ReplicaCutOff", testReplicaCutOff},
		{"ReplicaStalls", testReplicaStalls},
		{"Wait", testWait},
		{"WaitHalfMigrated", testWaitHalfMigrated},
	} {
		t.Run(test.name, test.run)
	}
}
