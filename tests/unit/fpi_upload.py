#!/usr/bin/python3
"""Take a synthetic upload apart as the instrument's owner would, and compare every frame with the forward model.

usage: fpi_upload.py DIR TRUTH.json [FRAMES]      one line "ok WHAT" or "not ok WHAT" per check
"""
import datetime as dt
import glob
import io
import json
import struct
import sys
import tarfile

import h5py
import numpy as np

C, K, M = 299792458.0, 1.3806503e-23, 16 / 6.0221367e26
BIAS = 300.0


def check(good, what):
    print('ok' if good else 'not ok', what)


def read_img(b):
    assert b[:4] == b'A3OI'
    di, cp, cn, ii = (struct.unpack_from('<h', b, at)[0] for at in (20, 24, 28, 32))
    rows, cols = struct.unpack_from('<ii', b, di + 4)
    xb, yb = struct.unpack_from('<ii', b, cp + 84)
    y, mo, _, d, h, mi, s, _ = struct.unpack_from('<8h', b, ii + 4)
    meta = {'exposure_s': struct.unpack_from('<f', b, cp + 56)[0], 'az': struct.unpack_from('<d', b, cn + 16)[0],
            'ze': struct.unpack_from('<d', b, cn + 24)[0], 'ccd_temp_C': struct.unpack_from('<i', b, ii + 36)[0],
            'local_time': dt.datetime(y, mo, d, h, mi, s)}
    w, hh = rows // yb, cols // xb
    return np.frombuffer(b, '<u2', w * hh, 1024).reshape(hh, w).astype(float), meta


def read_hdf5(b):
    with h5py.File(io.BytesIO(b), 'r') as f:
        d = f['image']
        a = d.attrs
        t = a['LocalTime']
        meta = {'exposure_s': a['ExposureTime'], 'az': a['azAngle'], 'ze': a['zeAngle'], 'ccd_temp_C': a['CCDTemperature'],
                'local_time': dt.datetime.fromisoformat(t)}
        check(d.dtype == np.dtype('<i8') and d.chunks is None, 'contiguous int64 pixels')
        for name in ('SiteName', 'Instrument', 'SiteLatitude', 'SiteLongitude', 'XBinning', 'YBinning', 'AmbientTemperature (C)',
                     'OutsideTemperature (C)', 'Pressure (Pa)', 'Humidity (%)'):
            if name not in a:
                check(False, 'attribute ' + name)
        return d[...].astype(float), meta


def expected(r, e, o, lam0):
    """Counts above the bias at radii r, by brute force: every wavelength, every blurred ring."""
    fine = np.arange(0, o['rmax'] * 1.5, 0.1)
    x = np.pi * fine / o['rmax']
    fall = 1 + o['a1'] * x + o['a2'] * x * x
    F = 4 * o['R'] / (1 - o['R']) ** 2

    def airy(lam):
        m = 2 * e['gap_m'] / lam * np.cos(np.arctan(o['alpha'] * fine))
        return fall / (1 + F * np.sin(np.pi * m) ** 2)
    if e['tag'] == 'L':
        line, mean, cont = airy(o['laser']), e['line_mean_counts'], 0
    else:
        lc = lam0 * (1 + e['wind_los'] / C)
        s = lam0 / C * np.sqrt(K * e['T'] / M)
        lams = np.linspace(-5, 5, 201)
        line = sum(np.exp(-q * q / 2) * airy(lc + q * s) for q in lams)
        mean, cont = e['line_mean_counts_per_s'] * e['exposure_s'], e['continuum_counts_per_s'] * e['exposure_s']
    inside = fine < o['rmax']

    def to_mean(v, m):
        return v * m / np.average(v[inside], weights=fine[inside])
    v = to_mean(line, mean) + to_mean(fall, cont)
    b = o['b0'] + o['b1'] * np.cos(x) + o['b2'] * np.sin(x)
    w = np.exp(-((fine[None, :] - fine[:, None]) / b[:, None]) ** 2)
    return np.interp(r, fine, (w * v).sum(1) / w.sum(1))


def compare_frame(a, e, o, lam0):
    """Expected mean over pixels, four by four points in each, against the mean of the pixels; cosmic rays clipped."""
    h, w = a.shape
    cx, cy = e['centre_xy']
    y, x = np.mgrid[:h, :w]
    sub = (np.arange(4) - 1.5) / 4
    light = np.mean([expected(np.hypot(x - cx + p, y - cy + q), e, o, lam0) for p in sub for q in sub], axis=0)
    sigma = np.sqrt(light + 36 + 1 / 12)
    pull = (a - BIAS - light) / sigma
    good = (np.abs(pull) < 5) & (np.hypot(x - cx, y - cy) < o['rmax'])
    p, r = pull[good], np.hypot(x - cx, y - cy)[good]
    rings = np.array([p[k == i].mean() * np.sqrt((k == i).sum()) for k in [(r * r / o['rmax'] ** 2 * 40).astype(int)]
                      for i in range(40)])
    what = '%s: pulls %.3f +- %.3f, worst ring %.1f' % (e['file'], p.mean(), p.std(), np.abs(rings).max())
    check(good.sum() > 0.7 * (np.hypot(x - cx, y - cy) < o['rmax']).sum() and abs(p.std() - 1) < 0.02 and
          abs(p.mean()) < 0.02 and np.abs(rings).max() < 5, what)


def main():
    folder, truth = sys.argv[1], json.load(open(sys.argv[2]))
    frames = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    stub = 'fpi%s_%s_%s' % (truth['instrument'][-2:], truth['site'], truth['observation_date'])
    pieces = sorted(glob.glob('%s/%s.tar.gz*' % (folder, stub)))
    archive = b''.join(open(p, 'rb').read() for p in pieces)
    text = open('%s/%s.txt' % (folder, stub)).read()
    lines = text.split('\n')
    check(len(lines) == 10 and lines[0] == stub + '.tar.gz000000' and int(lines[1]) == len(pieces) and
          int(lines[2]) == len(archive) and not text.endswith('\n'), 'check file')
    check([p[-6:] for p in pieces] == ['%06d' % i for i in range(len(pieces))], 'pieces are numbered')
    tar = tarfile.open(fileobj=io.BytesIO(archive), mode='r:gz')
    members = {m.name: m for m in tar.getmembers()}
    want = [truth['observation_date'] + '/' + e['file'] for e in truth['exposures']]
    check(sorted(members) == sorted(want) and len(set(want)) == len(want), 'one member per exposure')
    o = dict(truth['optics'], laser=truth['laser_wavelength_m'])
    wrong = 0
    step = max(1, len(want) // frames)
    for i, (name, e) in enumerate(zip(want, truth['exposures'])):
        b = tar.extractfile(members[name]).read()
        a, meta = read_img(b) if truth['format'] == 'img' else read_hdf5(b)
        wrong += a.shape != tuple(truth['image_shape']) or abs(meta['exposure_s'] - e['exposure_s']) > 1e-3
        wrong += any(meta[k] != e[k] for k in ('az', 'ze', 'ccd_temp_C'))
        wrong += meta['local_time'] != dt.datetime.fromisoformat(e['local_time'])
        if i % step == 0 or i == 1:
            compare_frame(a, e, o, 5.577e-7 if 'G' in e['tag'] else 6.3e-7)
    check(wrong == 0, 'headers say what the truth says')
    sky = [e for e in truth['exposures'] if e['tag'] != 'L']
    check(all(e['sun_alt_deg'] < -6 for e in truth['exposures']) and any(e['direction'] == 'Zenith' for e in sky), 'a night')


main()
