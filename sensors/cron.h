/* cron.h: schedules as a sensor type; see sensors/cron.c. */
#ifndef SENSORS_CRON_H
#define SENSORS_CRON_H

#include "sensor/sensor.h"

extern const struct sensor_type sensor_cron;

#endif
