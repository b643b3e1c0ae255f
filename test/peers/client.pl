#!/usr/bin/env perl
# A whole Airlock client: client.pl http://127.0.0.1:3000 alice wonderland. Ends with 0 when all went by the protocol.
use Mojo::Base -strict, -signatures;
use Mojo::UserAgent;

my ($base, $username, $password) = @ARGV;
my $ua = Mojo::UserAgent->new;
my @expected = qw(auth_ok echo expiring refresh_ok echo);  # and ticks and signs of life, once we are in
my ($silence, $timer);

sub fail (@why) { warn @why, "\n"; exit 1 }
sub post ($path, $token, $body = {}) {
  $ua->post($base . $path => {$token ? (Authorization => "Bearer $token") : ()} => json => $body)->result->json;
}

my $token = post('/login', undef, {username => $username, password => $password})->{token} or fail 'not logged in';
my $reply = post('/ws/ticket', $token);
my @offer = ($base =~ s/^http/ws/r . '/ws/demo', [$reply->{protocol}, "ticket.$reply->{ticket}"]);
my %answer = (  # to what the server sends
  auth_ok    => sub { {type => 'echo', data => 'hello'} },
  expiring   => sub { {type => 'refresh', token => post('/session', $token)->{token}} },  # at 80 % of the token's life
  refresh_ok => sub { {type => 'echo', data => 'still here'} });

$ua->websocket(@offer => sub ($ua, $tx) {
  fail 'refused' unless $tx->is_websocket;
  fail 'never the carrier' unless $tx->protocol eq $reply->{protocol};
  $tx->on(finish => sub ($tx, $code, $) { say "closed $code"; Mojo::IOLoop->remove($timer) if $timer; @expected ? fail 'too early' : Mojo::IOLoop->stop });
  $tx->on(json => sub ($tx, $message) {
    my $type = $message->{type};
    $silence //= $message->{alive} && $message->{alive} / 1000 + ($ENV{GRACE} // 10);  # in seconds; named in auth_ok
    Mojo::IOLoop->remove($timer) if $timer;
    $timer = Mojo::IOLoop->timer($silence => sub ($) { fail 'silent' }) if $silence;
    return if $type =~ /^(tick|alive)$/ && $expected[0] ne 'auth_ok';
    fail "$type in place of $expected[0]" if $type ne shift @expected;
    say join ' ', $type, $message->{data} // $message->{user}{id} // ();
    $tx->send({json => $answer{$type}->()}) if $answer{$type};
    $tx->finish(1000) unless @expected;
  });
  $tx->send({json => {type => 'auth', token => $token, final => [4410], alive => \1}});
});
Mojo::IOLoop->start;
my $again = $ua->start($ua->build_websocket_tx(@offer));
fail 'the same ticket again: HTTP ', $again->res->code // 'nothing' unless ($again->res->code // 0) == 401;
say 'the same ticket again: HTTP 401';
