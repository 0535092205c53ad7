/* paired: key and certificate of a device, and a server that takes every handshake. Uses the test's `conf` and `scratch`. */
#ifndef PULLCORD_PAIRED_H
#define PULLCORD_PAIRED_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void make_pair_of(const char *name, const char *tenant)
{
	char command[2400];

	snprintf(command, sizeof(command), "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=%s "
		 "-addext subjectAltName=URI:urn:pullcord:%s:device:%s,DNS:localhost -keyout %s.new -out %s.new 2>/dev/null && "
		 "mv %s.new %s && mv %s.new %s", name, tenant, name, conf.uplink_keyfile, conf.uplink_certfile,
		 conf.uplink_keyfile, conf.uplink_keyfile, conf.uplink_certfile, conf.uplink_certfile);
	assert_int_equal(system(command), 0);
}

static inline void make_pair(const char *name) { make_pair_of(name, "mercy"); }

static inline int free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	close(fd);
	return ntohs(at.sin_port);
}

/* A server that shakes hands with everybody, with a certificate of its own. */
static inline pid_t serve(void)
{
	char at_port[8], crt[CONF_TEXT + 8], key[CONF_TEXT + 8];
	int input[2];
	pid_t pid;

	conf.uplink_port = free_port();
	snprintf(at_port, sizeof(at_port), "%d", conf.uplink_port);
	snprintf(crt, sizeof(crt), "%s", scratch_path(&scratch, "server.crt"));
	snprintf(key, sizeof(key), "%s", scratch_path(&scratch, "server.key"));
	assert_int_equal(rename(conf.uplink_certfile, crt), 0);
	assert_int_equal(rename(conf.uplink_keyfile, key), 0);
	strcpy(conf.uplink_cafile, crt);
	make_pair("nc1");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!freopen("/dev/null", "w", stderr);
		if (pipe(input) != 0 || dup2(input[0], 0) != 0)   /* its end would be the server's */
			_exit(1);
		execlp("openssl", "openssl", "s_server", "-accept", at_port, "-cert", crt, "-key", key, "-quiet", NULL);
		_exit(1);
	}
	return pid;
}

#endif
