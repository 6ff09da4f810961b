#!/usr/bin/perl
# Runs commands for test/support/guest.ts, inside a guest (there as process 1) or in a namespace of the host.
# perl, because it is always there and one process can wait for everything: a fork costs 10 to 20 ms in a guest.
#
# Usage: guest-agent.pl <path of the command line, - for stdin and stdout> <poweroff|exit>
# In:   run <id> <path of a bash script> | kill <id> | off
# Out:  ready | <id> <a line of its output> | <id>= <exit code, or 128 + signal>
#
# A command is over when its first process is, even if a daemon it left behind keeps the output open: the
# daemon's lines go on being forwarded under the same id. End of input means that the test run died: power off.
use strict;
use warnings;
use Errno qw(EINTR EAGAIN);
use IO::Handle;
use POSIX qw(:sys_wait_h setsid);

my ($path, $end) = @ARGV;
# Opened twice: perl would seek between reading and writing one handle, and a terminal cannot.
my ($in, $out);
if ($path ne '-') {
  open($in, '<', $path) or die "open $path: $!";
  open($out, '>', $path) or die "open $path: $!";
} else {
  open($in, '<&', *STDIN) or die "dup: $!";
  open($out, '>&', *STDOUT) or die "dup: $!";
}
my $self = fileno($in);

my (%pid_of, %id_of, %output, %rest);
my $commands = '';

sub say_line {
  my $text = "$_[0]\n";
  while (length $text) {
    my $n = syswrite($out, $text);
    if (!defined $n) { next if $! == EINTR || $! == EAGAIN; finish(); }
    substr($text, 0, $n) = '';
  }
}

sub finish {
  kill 'KILL', map { -$_ } keys %id_of;
  if ($end eq 'exit') { exit 0; }
  if (open(my $sysrq, '>', '/proc/sysrq-trigger')) { syswrite($sysrq, 'o'); }
  sleep 60 while 1;
}

sub run {
  my ($id, $script) = @_;
  pipe(my $from, my $to) or die "pipe: $!";
  my $pid = fork();
  die "fork: $!" unless defined $pid;
  if ($pid == 0) {
    setsid();
    $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP PIPE CHLD);
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>&', $to);
    open(STDERR, '>&', $to);
    close $_ for ($in, $out, $from, $to);
    exec '/bin/bash', $script;
    POSIX::_exit(127);
  }
  close $to;
  $pid_of{$id} = $pid;
  $id_of{$pid} = $id;
  $output{fileno $from} = [$id, $from];
  $rest{$id} = '';
}

# Forwards what is there; false at the end of the output.
sub forward {
  my ($id, $from) = @_;
  my $n = sysread($from, my $bytes, 65536);
  return 1 if !defined $n && ($! == EINTR || $! == EAGAIN);
  if (!$n) {
    say_line("$id $rest{$id}") if length $rest{$id};
    $rest{$id} = '';
    return 0;
  }
  $rest{$id} .= $bytes;
  while ($rest{$id} =~ s/^([^\n]*)\n//) { say_line("$id $1"); }
  return 1;
}

sub reap {
  while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
    my $id = delete $id_of{$pid};
    next unless defined $id;
    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    delete $pid_of{$id};
    for my $fd (keys %output) {
      my ($owner, $from) = @{$output{$fd}};
      next unless $owner eq $id;
      my $set = '';
      vec($set, $fd, 1) = 1;
      while (select(my $found = $set, undef, undef, 0) > 0) {
        if (!forward($id, $from)) { delete $output{$fd}; last; }
      }
    }
    say_line("$id= $code");
  }
}

sub obey {
  my ($verb, $id, $script) = split ' ', $_[0], 3;
  if ($verb eq 'run') { run($id, $script); }
  elsif ($verb eq 'kill') { kill 'KILL', -$pid_of{$id} if $pid_of{$id}; }
  elsif ($verb eq 'off') { finish(); }
}

# A child's end wakes select through this pipe, so that no end is seen late or lost.
pipe(my $woken, my $wake) or die "pipe: $!";
$wake->blocking(0);
$woken->blocking(0);
$SIG{CHLD} = sub { syswrite($wake, '.') };
$SIG{TERM} = $SIG{INT} = $SIG{HUP} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
say_line('ready');
while (1) {
  my $set = '';
  vec($set, $_, 1) = 1 for ($self, fileno($woken), keys %output);
  my $n = select(my $found = $set, undef, undef, undef);
  next if $n < 0;
  for my $fd (keys %output) {
    delete $output{$fd} if vec($found, $fd, 1) && !forward(@{$output{$fd}});
  }
  if (vec($found, fileno($woken), 1)) { sysread($woken, my $ignored, 4096); }
  reap();
  next unless vec($found, $self, 1);
  my $got = sysread($in, my $bytes, 4096);
  next if !defined $got && ($! == EINTR || $! == EAGAIN);
  finish() unless $got;
  $commands .= $bytes;
  while ($commands =~ s/^([^\n]*)\n//) { obey($1); }
}
