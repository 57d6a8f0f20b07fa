#!/usr/bin/python3
"""Read the containers of a night back and compare them with the numbers they were made from.

usage: fpi_containers.py STEM REFERENCE.json      one line "ok WHAT" or "not ok WHAT" per check
"""
import json
import math
import sys
import zipfile

import h5py
import numpy as np


def check(good, what):
    print('ok' if good else 'not ok', what)


def same(a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


def text(v):
    return v.decode() if isinstance(v, bytes) else str(v)


stem = sys.argv[1]
run = json.load(open(sys.argv[2]))['runs'][0]
npz = np.load(stem + '.npz')  # allow_pickle is off
h5 = h5py.File(stem + '.h5', 'r')

with zipfile.ZipFile(stem + '.npz') as z:
    check(z.testzip() is None and all(i.compress_type == zipfile.ZIP_DEFLATED for i in z.infolist()), 'sound archive')
    check({i.date_time for i in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}, 'no times in it')


def num(v):
    return float(v)  # "nan" and "inf" are texts in the reference


SKY = {'LOSwind': 'LOSwind', 'sigma_LOSwind': 'sigma_LOSwind', 'sigma_fit_LOSwind': 'sigma_fit_LOSwind',
       'sigma_cal_LOSwind': 'sigma_cal_LOSwind', 'T': 'T', 'sigma_T': 'sigma_T', 'skyI': 'skyI', 'sigma_skyI': 'sigma_skyI',
       'skyB': 'skyB', 'sigma_skyB': 'sigma_skyB', 'ccdB': 'ccdB', 'sigma_ccdB': 'sigma_ccdB', 'sky_chisqr': 'sky_chisqr',
       'az': 'az', 'ze': 'ze', 'sky_intT': 'sky_intT', 'sky_ccd_temperature': 'sky_ccd_temperature',
       'doppler_reference': 'doppler_reference', 'wind_quality_flag': 'wind_quality_flag',
       'temp_quality_flag': 'temp_quality_flag', 'sky_value/lamc': 'lamc', 'sky_stderr/lamc': 'sigma_lamc',
       'Clouds/mean': 'cloud_mean'}
for name, key in SKY.items():
    want = [num(s[key]) for s in run['sky']]
    check(same(npz[name.replace('/', '_')], want) and same(h5[name], want), name)
for p in run['laser'][0]['value']:
    check(same(h5['laser_value/' + p], [l['value'][p] for l in run['laser']]) and
          same(npz['laser_stderr_' + p], [l['stderr'][p] for l in run['laser']]), 'laser parameter ' + p)
check(same(npz['center_pixel'], [l['center_xy'] for l in run['laser']]) and h5['center_pixel'].shape == (len(run['laser']), 2),
      'centres')
for name, key, rows in (('sky_fns', 'file', run['sky']), ('direction', 'direction', run['sky']), ('laser_fns', 'file', run['laser'])):
    want = [s[key] for s in rows]
    check([str(v) for v in npz[name]] == want and [text(v) for v in h5[name]] == want and npz[name].dtype.kind == 'U', name)
check(str(npz['sky_times'][0]).startswith(run['sky'][0]['time_local'][:19]) and
      str(npz['sky_times'][0])[-6:] == run['sky'][0]['time_local'][-6:], 'local times with their offset')
check(npz['wind_quality_flag'].dtype == np.dtype('<i8') and npz['LOSwind'].dtype == np.dtype('<f8'), 'types')
check(h5['sky_fringes'].shape == npz['sky_fringes'].shape == (len(run['sky']), 500) and
      same(h5['laser_annuli'], npz['laser_annuli']) and math.isnan(npz['sky_fringes'][1, 0]), 'fringes, missing ones NaN')
check(h5['T'].attrs['unit'] == 'K' and 'description' in h5['LOSwind'].attrs, 'units')
check(h5['site'].attrs['name'] == 'Cariri \u00e9\u4e2d' and str(npz['site_name']) == 'Cariri \u00e9\u4e2d', 'any letters')
check(h5['site'].attrs['lat_deg'] == -7.38 and h5['instrument'].attrs['N'] == 500 and
      h5['instrument'].attrs['default_R'] == 0.6959 and npz['instrument_default_R'] == 0.6959, 'site and instrument')
check(h5.attrs['reference'] == 'laser' and h5.attrs['tag'] == 'X' and h5.attrs['lam0'] == 6.3e-7 and
      h5.attrs['observation_date'] == '20160807' and h5.attrs['SVNRevision'] == 'NONE', 'the night')
check(h5.attrs['software'] == 'orchd test' and h5.attrs['run_id'] == '01RUN' and str(npz['run_uid']) == '', 'provenance')
names = []
h5.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
scalars = [k + '/' + a if k != '/' else a for k in ('/', 'site', 'instrument') for a in h5[k].attrs]
check(sorted(n.replace('/', '_') for n in names + scalars) == sorted(npz.files), 'the same %d arrays in both' % len(npz.files))
check('Dome' not in h5 and 'Clouds' in h5, 'sensors that were there')
