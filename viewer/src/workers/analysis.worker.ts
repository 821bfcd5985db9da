/** The analysis worker: reckons over directions and firings, so that the page never does. */
import { expose } from 'comlink';
import { createAnalysis } from './analysis.ts';

expose(createAnalysis());
