/* yes_plugin: lets everybody in and allows everything. What it costs is the price of asking any plugin at all; with any
 * option, of one that also has a thread of its own, which sleeps: glibc's malloc and system calls take longer in a process
 * with more than one. */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <pthread.h>
#include <unistd.h>

#include "base.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int mosquitto_plugin_version(int n, const int *versions);
EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *opt, int n);
EXPORT int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *opt, int n);

static mosquitto_plugin_id_t *plugin_id;
static const int events[] = { MOSQ_EVT_BASIC_AUTH, MOSQ_EVT_ACL_CHECK };

static int yes(int event, void *event_data, void *data)
{
	(void)event, (void)event_data, (void)data;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int n, const int *versions)
{
	for (int i = 0; i < n; i++)
		if (versions[i] == 5)
			return 5;
	return -1;
}

static void *sleep_always(void *none)
{
	for (;;)
		pause();
	return none;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *opt, int n)
{
	pthread_t thread;

	(void)data, (void)opt;
	plugin_id = id;
	if (n && pthread_create(&thread, NULL, sleep_always, NULL) != 0)
		return MOSQ_ERR_UNKNOWN;
	for (size_t i = 0; i < countof(events); i++)
		if (mosquitto_callback_register(id, events[i], yes, NULL, NULL) != MOSQ_ERR_SUCCESS)
			return MOSQ_ERR_UNKNOWN;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *opt, int n)
{
	(void)data, (void)opt, (void)n;
	for (size_t i = 0; i < countof(events); i++)
		mosquitto_callback_unregister(plugin_id, events[i], yes, NULL);
	return MOSQ_ERR_SUCCESS;
}
